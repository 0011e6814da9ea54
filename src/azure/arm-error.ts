/**
 * What an ARM call's failure means, as a sentence: what was tried, the code, ARM's own first words, the remedy. ARM's
 * codes and messages are those of "Troubleshoot online endpoints" (learn.microsoft.com, Azure Machine Learning).
 */

import { redact } from '../core/redact.ts';
import { findDeployFailure, sayCode, saysStillBusy } from '../core/renting/deploy-failure.ts';
import { ControlPlaneError } from '../services.ts';

/** ARM's messages may carry a whole build log; the first words tell what to do. */
const MESSAGE_CHARACTERS = 400;

export type ArmError =
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly message: string }
  /** The request was accepted, and its long-running operation says that it failed. */
  | { readonly kind: 'operation-failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'no-credential'; readonly message: string }
  | { readonly kind: 'unreachable'; readonly code: string; readonly message: string };

/** Which of the five it is, from whatever the SDK threw. */
export function tellArmError(error: unknown): ArmError {
  if (!(error instanceof Error)) return { kind: 'unreachable', code: 'Unknown', message: 'an unknown error' };
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return { kind: 'timeout' };
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown };
  const word = typeof code === 'string' && code !== '' ? code : null;
  // The SDK quotes the body that it could not read, and a body may hold keys.
  const message = word === 'PARSE_ERROR' ? 'the answer could not be read' : shorten(error.message);
  if (/Credential|Authentication/.test(error.name)) return { kind: 'no-credential', message };
  const operation = /^The long-running operation has failed(?:\. ([\w-]+)\. )?/.exec(error.message);
  if (operation !== null || error.message === 'Operation was canceled') {
    const words = operation === null ? error.message : error.message.slice(operation[0].length);
    return { kind: 'operation-failed', code: operation?.[1] ?? 'OperationFailed', message: shorten(words) };
  }
  if (typeof statusCode === 'number')
    return { kind: 'refused', status: statusCode, code: word ?? `Http${statusCode}`, message };
  return { kind: 'unreachable', code: word ?? 'Unreachable', message };
}

/** The failure as a ControlPlaneError. `what` continues "Could not". */
export function explainArmError(what: string, error: unknown, callMs: number): ControlPlaneError {
  const told = tellArmError(error);
  switch (told.kind) {
    case 'timeout':
      return refusal(
        `Could not ${what}: ARM did not answer within ${callMs / 1000} seconds. Try again.`,
        'Timeout',
        null,
        true,
      );
    case 'unreachable':
      return refusal(
        `Could not ${what}: ARM could not be reached (${told.code}: ${told.message}). Check the network and ARM_ENDPOINT.`,
        told.code,
        null,
        true,
      );
    case 'no-credential':
      return refusal(
        `Could not ${what}: no credential for Azure (${told.message}). Give the app a managed identity, or sign in with \`az login\` on a laptop.`,
        'NoCredential',
        null,
        false,
      );
    case 'operation-failed':
      return explainRefusal(what, null, told.code, told.message);
    case 'refused':
      return explainRefusal(what, told.status, told.code, told.message);
  }
}

/** ARM's words for a workspace that is missing, whose code is that of anything that is: nothing follows its name. */
const NAMES_A_WORKSPACE = /Microsoft\.MachineLearningServices\/workspaces\/[^/']+' under resource group/i;

/**
 * Whether a 404 with this code and these words says that something above the thing is missing. "Parent" is the
 * workspace for an endpoint, but the endpoint for a deployment, whose absence is an answer.
 */
export function isParentMissing(code: string, parentMustExist: boolean, message = ''): boolean {
  if (code === 'ParentResourceNotFound') return parentMustExist;
  if (code === 'ResourceNotFound') return NAMES_A_WORKSPACE.test(message);
  return /^(SubscriptionNotFound|ResourceGroupNotFound|WorkspaceNotFound|InvalidResourceNamespace)$/.test(
    code,
  );
}

interface Remedied {
  readonly retryable: boolean;
  readonly say: string;
}

interface Remedy extends Remedied {
  readonly when: (status: number | null, code: string, message: string) => boolean;
}

/** What any call of ARM may say; what only a deployment says stands in core/renting/deploy-failure.ts. The first that fits. */
const REMEDIES: readonly Remedy[] = [
  {
    when: (status, code) => status === 401 && !/Tenant/i.test(code),
    retryable: true,
    say: 'The token was refused, as an expired one is; the next call brings a new one.',
  },
  {
    when: (status) => status === 401 || status === 403,
    retryable: false,
    say: 'The identity may not do this; give it the role AzureML Data Scientist on the workspace (a new assignment takes up to ten minutes).',
  },
  {
    when: (status) => status === 429,
    retryable: true,
    say: 'ARM is throttling; try again in a minute.',
  },
  {
    when: saysStillBusy,
    retryable: true,
    say: 'Another operation on the same endpoint is in progress; try again when it is over.',
  },
  {
    when: (status, code, message) => status === 404 && isParentMissing(code, true, message),
    retryable: false,
    say: 'Check subscription, resource group and workspace in the setting WORKSPACES.',
  },
  {
    when: (status) => status === 408 || (status !== null && status >= 500),
    retryable: true,
    say: 'This is a fault on the side of Azure; try again.',
  },
];

function explainRefusal(
  what: string,
  status: number | null,
  code: string,
  message: string,
): ControlPlaneError {
  const remedy = findRemedy(status, code, message);
  const word = sayCode(code, remedy?.code === undefined ? null : { code: remedy.code });
  const answer = status === null ? `the operation failed with ${word}` : `ARM answered ${status} ${word}`;
  const sentence = `Could not ${what}: ${answer}${message === '' ? '' : ` (${message})`}.`;
  return refusal(
    remedy === undefined ? sentence : `${sentence} ${remedy.say}`,
    remedy?.code ?? code,
    status,
    remedy?.retryable ?? false,
  );
}

function findRemedy(
  status: number | null,
  code: string,
  message: string,
): (Remedied & { code?: string }) | undefined {
  const failure = findDeployFailure(code, message);
  // Another attempt is another endpoint: nothing that the same call could repeat.
  const ofDeployment =
    failure === null ? undefined : { code: failure.code, retryable: false, say: failure.remedy };
  // Quota is refused with whatever status, 403 among them.
  if (failure?.code.startsWith('OutOf')) return ofDeployment;
  return REMEDIES.find((one) => one.when(status, code, message)) ?? ofDeployment;
}

/**
 * The SDK's error is not kept as the cause: it holds the request with its token and the answer with whatever was in
 * it, and causes end up in logs.
 */
function refusal(
  message: string,
  code: string,
  status: number | null,
  retryable: boolean,
): ControlPlaneError {
  return new ControlPlaneError(message, { code, status, retryable });
}

function shorten(message: string): string {
  const plain = redact(message.replace(/Bearer\s+\S+/gi, 'Bearer ...'))
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  return plain.length > MESSAGE_CHARACTERS ? `${plain.slice(0, MESSAGE_CHARACTERS)}...` : plain;
}
