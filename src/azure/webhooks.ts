/**
 * Webhooks of schedules. Where one may go is decided as for scoring addresses: https to a host that WEBHOOK_HOSTS
 * allows, whose every address is checked, and the address that was checked is the one that is connected to. The body is
 * signed with HMAC-SHA256 by a secret that only a setting holds.
 */
import { createHmac } from 'node:crypto';
import { isIPv6, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';
import type { Config } from '../config.ts';
import { messageOf } from '../core/failure.ts';
import type { WebhookOutcome, Webhooks } from '../services.ts';
import { createAddressGate, type Resolve, resolveHost } from './address-gate.ts';

/** A receiver has to put the message into a queue and say so; one that takes longer is asked again later. */
const POST_MS = 10_000;
/** Nothing of the answer is used but its status. */
const ANSWER_BYTES = 64 * 1024;

const SIGNATURE_HEADER = 'x-foundry-bench-signature';

export function createWebhooks(
  config: Pick<
    Config,
    'webhookHosts' | 'allowLoopbackWebhooks' | 'allowedPrivateRanges' | 'readWebhookSecret'
  >,
  resolve: Resolve = resolveHost,
): Webhooks {
  const gate = createAddressGate(
    {
      setting: 'WEBHOOK_HOSTS',
      hosts: config.webhookHosts,
      allowLoopback: config.allowLoopbackWebhooks,
      privateRanges: config.allowedPrivateRanges,
    },
    resolve,
  );
  const refuseSecret: Webhooks['refuseSecret'] = (name) => {
    try {
      config.readWebhookSecret(name);
      return null;
    } catch (error) {
      return messageOf(error);
    }
  };
  return {
    ...gate,
    refuseSecret,
    async post({ url, secretSetting }, { id, event, body }) {
      const unsigned = refuseSecret(secretSetting);
      if (unsigned !== null) return { error: unsigned, hopeless: true };
      const resolved = await gate.resolve(url);
      if (resolved.kind !== 'resolved')
        return { error: resolved.reason, hopeless: resolved.kind === 'refused' };
      return send(url, resolved.address, body, {
        'content-type': 'application/json',
        'user-agent': 'foundry-bench',
        'x-foundry-bench-event': event,
        'x-foundry-bench-delivery': id,
        [SIGNATURE_HEADER]: sign(body, config.readWebhookSecret(secretSetting)),
      });
    },
  };
}

/** `sha256=` and the HMAC of the body in hex, as receivers know it from other senders. */
export function sign(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

async function send(
  url: string,
  address: string,
  body: string,
  headers: Record<string, string>,
): Promise<WebhookOutcome> {
  const agent = new Agent({ connect: { lookup: answerWith(address), timeout: POST_MS }, pipelining: 1 });
  try {
    const signal = AbortSignal.timeout(POST_MS);
    // undici follows no redirect unless told to: a receiver must not send the message on to somewhere unchecked.
    const answer = await request(url, { method: 'POST', headers, body, dispatcher: agent, signal });
    await answer.body.dump({ limit: ANSWER_BYTES, signal }).catch(() => undefined);
    const { statusCode } = answer;
    if (statusCode >= 200 && statusCode < 300) return { error: null, hopeless: false };
    const what = statusCode >= 300 && statusCode < 400 ? ', a redirect, which is not followed' : '';
    return { error: `The receiver answered ${statusCode}${what}.`, hopeless: false };
  } catch (error) {
    const timedOut = error instanceof Error && /Abort|Timeout/.test(error.name);
    const { code } = error as { code?: unknown };
    const why = timedOut
      ? `did not answer within ${POST_MS / 1_000} s`
      : `could not be reached (${typeof code === 'string' ? code : 'no reason told'})`;
    return { error: `The receiver ${why}.`, hopeless: false };
  } finally {
    await agent.destroy();
  }
}

/** Connects to the address that was checked, while TLS goes on asking for the certificate of the host. */
function answerWith(address: string): LookupFunction {
  const family = isIPv6(address) ? 6 : 4;
  return (_host, options, callback) => {
    if (options.all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
}
