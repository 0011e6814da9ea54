/**
 * The host's HTTP server on loopback: checks who asks, finds the function, and turns a request into an invocation
 * and its response back into bytes. Buffered mode only.
 */
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AppFunction } from './app.ts';
import type { RpcCookie, RpcHttp } from './core-shim.ts';
import type { WebhookRequest, WebhookResponse } from './durable/webhooks.ts';
import { describeError, type Invoker, invoke } from './invoke.ts';
import { isAuthorized } from './keys.ts';
import { compareRoutes, matchRoute, parseRoute, type Route, splitPath } from './route.ts';

/** Azure's default bound on a request body, in bytes. */
const MAX_BODY_BYTES = 100 * 1024 * 1024;

/** Longer than any client's pool keeps an idle connection, so that it is the client who closes it, in milliseconds. */
const KEEP_ALIVE_MS = 65_000;

/** Milliseconds a client may take to send its request. */
const REQUEST_TIMEOUT_MS = 120_000;

/** First segments of paths that belong to the host. */
const RESERVED = ['runtime', 'admin'];

export interface HttpFunction {
  readonly target: AppFunction;
  readonly route: Route;
  readonly methods: readonly string[];
  readonly authLevel: string;
}

/** What answers requests; absent while the app is being loaded. */
export interface Site {
  readonly functions: readonly HttpFunction[];
  readonly invoker: Invoker;
  readonly functionKey: string | undefined;
  readonly webhooks: {
    /** With slashes at both ends; its random segment is the credential. */
    readonly path: string;
    answer(request: WebhookRequest): WebhookResponse;
  };
}

export interface HttpServer {
  readonly port: number;
  /** Starts answering; 503 before that. */
  open(site: Site): void;
  /**
   * Calls no more functions (503), and resolves when those that were called have answered or `graceMs` has passed. The
   * management API stays, since what still runs may need it.
   */
  drain(graceMs: number): Promise<void>;
  /** Cuts whatever connections there are. */
  close(): Promise<void>;
}

/** Something that is answered instead of a function. */
interface Refusal {
  readonly status: number;
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const UNAVAILABLE: Refusal = {
  status: 503,
  detail: 'The host is starting or stopping; try again.',
  headers: { 'retry-after': '1' },
};

/** Works out an HTTP function's route; throws a sentence when it cannot be served. */
export function readHttpFunction(target: AppFunction, routePrefix: string): HttpFunction {
  const { route, methods, authLevel } = target.trigger;
  const own = typeof route === 'string' ? route : target.name;
  const parsed = parseRoute([routePrefix, own].filter((part) => part !== '').join('/'));
  const [first] = parsed.segments;
  if (first?.kind === 'literal' && RESERVED.includes(first.text)) {
    throw new Error(
      `Function '${target.name}' has the route '${parsed.template}', and /${first.text} belongs to the host; choose another.`,
    );
  }
  return {
    target,
    route: parsed,
    methods:
      Array.isArray(methods) && methods.length > 0
        ? methods.map((one) => String(one).toUpperCase())
        : ['GET', 'POST'],
    authLevel: typeof authLevel === 'string' ? authLevel : 'anonymous',
  };
}

/** Listens on 127.0.0.1 (`port` 0 means any free one). `allowedHosts` are further names that the Host header may have. */
export async function listen(port: number, allowedHosts: readonly string[]): Promise<HttpServer> {
  let site: Site | undefined;
  let isDraining = false;
  let names: ReadonlySet<string> = new Set();
  const running = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const answered = answer(request, response, site, names, isDraining)
      .catch((error: unknown) => {
        site?.invoker.log({ level: 'error', category: 'Host.Http', message: describeError(error).stack });
        if (response.headersSent) response.destroy();
        else refuse(response, { status: 500, detail: 'The local host failed; its log says why.' });
      })
      .finally(() => running.delete(answered));
    running.add(answered);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = (server.address() as AddressInfo).port;
  names = new Set(
    ['127.0.0.1', 'localhost', '[::1]', ...allowedHosts].map((name) => `${name.toLowerCase()}:${bound}`),
  );

  return {
    port: bound,
    open: (opened) => {
      site = opened;
    },
    drain: async (graceMs) => {
      isDraining = true;
      let timer: NodeJS.Timeout | undefined;
      const grace = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([Promise.all(running), grace]);
      clearTimeout(timer);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  site: Site | undefined,
  names: ReadonlySet<string>,
  isDraining: boolean,
): Promise<void> {
  const stranger = refuseStranger(request, names);
  if (stranger !== undefined) return refuse(response, stranger);
  if (site === undefined) return refuse(response, UNAVAILABLE);
  // The Host header is known to be ours by now, so that this is the URL that the caller used.
  const target = request.url ?? '/';
  const url = target.startsWith('/') ? new URL(`http://${request.headers.host}${target}`) : null;
  const path = url === null ? null : splitPath(url.pathname);
  if (url === null || path === null)
    return refuse(response, { status: 400, detail: 'The URL is not valid.' });

  if (url.pathname.toLowerCase().startsWith(site.webhooks.path))
    return answerFromWebhooks(request, response, url, site);
  // Segments of the host's own that are not there, such as a wrong secret of the webhooks, never reach a function.
  if (RESERVED.includes(path[0]?.toLowerCase() ?? '')) return refuse(response, { status: 404 });
  if (isDraining) return refuse(response, UNAVAILABLE);
  return answerFromFunction(request, response, url, path, site);
}

/**
 * Only programs on this machine, and pages of this host, may call it. A web page elsewhere could reach loopback through
 * its reader's browser, directly (foreign Origin) or with a name that it points to 127.0.0.1 (foreign Host).
 */
function refuseStranger(request: IncomingMessage, names: ReadonlySet<string>): Refusal | undefined {
  const { host, origin } = request.headers;
  if (host === undefined || !names.has(withPort(host.toLowerCase()))) {
    return {
      status: 403,
      detail: `This host answers to ${[...names].join(', ')} only, not to '${host ?? ''}'.`,
    };
  }
  const isOurs =
    origin === undefined ||
    (origin.startsWith('http://') && names.has(withPort(origin.slice(7).toLowerCase())));
  return isOurs ? undefined : { status: 403, detail: `A page of ${origin} may not call this host.` };
}

function withPort(host: string): string {
  return /:\d+$/.test(host) ? host : `${host}:80`;
}

async function answerFromFunction(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  path: readonly string[],
  site: Site,
): Promise<void> {
  const matches = site.functions
    .map((one) => ({ ...one, params: matchRoute(one.route, path) }))
    .filter((one) => one.params !== null)
    .sort((a, b) => compareRoutes(a.route, b.route));
  if (matches.length === 0) return refuse(response, { status: 404 });
  const method = request.method ?? 'GET';
  const found = matches.find((one) => one.methods.includes(method));
  if (found === undefined) {
    const allow = [...new Set(matches.flatMap(({ methods }) => methods))].join(', ');
    return refuse(response, { status: 405, detail: `${method} is not allowed here.`, headers: { allow } });
  }
  if (!isAuthorized(found.authLevel, site.functionKey, request.headers, url.searchParams)) {
    return refuse(response, {
      status: 401,
      detail: 'Send the function key as x-functions-key, or as ?code=.',
    });
  }
  const body = await readBody(request);
  if ('status' in body) return refuse(response, body);

  const http: RpcHttp = {
    url: url.href,
    method,
    nullableHeaders: toNullable(Object.entries(request.headers)),
    nullableParams: toNullable(Object.entries(found.params ?? {})),
    ...(body.bytes.length === 0 ? {} : { body: { bytes: body.bytes } }),
  };
  let result: RpcHttp | undefined;
  try {
    const { returnValue } = await invoke(site.invoker, found.target, { data: { http } });
    result = returnValue?.http;
  } catch (error) {
    const message = `${method} ${url.pathname}: function '${found.target.name}' failed: ${describeError(error).stack}`;
    site.invoker.log({ level: 'error', category: 'Host.Http', message });
    // An empty body, as in Azure: what was thrown is nobody's business but the log's.
    send(response, 500, {});
    return;
  }
  writeResult(response, result);
}

function writeResult(response: ServerResponse, result: RpcHttp | undefined): void {
  if (result === undefined) {
    send(response, 204, {});
    return;
  }
  const headers: Record<string, string | string[]> = { ...result.headers };
  const cookies = (result.cookies ?? []).map(formatCookie);
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  send(
    response,
    Number(result.statusCode ?? 200),
    headers,
    result.body?.bytes ?? Buffer.from(result.body?.string ?? ''),
  );
}

async function answerFromWebhooks(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  { webhooks, invoker }: Site,
): Promise<void> {
  const body = await readBody(request, { anyType: true });
  if ('status' in body) return refuse(response, body);
  const token = request.headers['x-ms-continuation-token'];
  let result: WebhookResponse;
  try {
    result = webhooks.answer({
      method: request.method ?? 'GET',
      path: splitPath(url.pathname.slice(webhooks.path.length)) ?? [],
      query: url.searchParams,
      contentType: request.headers['content-type'],
      continuationToken: typeof token === 'string' ? token : undefined,
      body: body.bytes,
      base: `${url.origin}${webhooks.path.replace(/\/$/, '')}`,
    });
  } catch (error) {
    const { message, stack } = describeError(error);
    invoker.log({ level: 'error', category: 'Host.Durable', message: stack });
    result = { status: 500, json: { Message: 'The management API failed.', ExceptionMessage: message } };
  }
  const headers = { ...result.headers };
  if (result.json === undefined) return send(response, result.status, headers);
  send(
    response,
    result.status,
    { ...headers, 'content-type': 'application/json' },
    Buffer.from(JSON.stringify(result.json)),
  );
}

/**
 * The whole body, or why it is not taken. A body must say that it is JSON: a form on a web page can send bytes to
 * loopback without asking first, but not with that type. Azure drops a body without content-length; it is read here.
 */
async function readBody(
  request: IncomingMessage,
  { anyType = false }: { readonly anyType?: boolean } = {},
): Promise<{ readonly bytes: Buffer } | Refusal> {
  const isJson =
    anyType || /^application\/(json|x-ndjson)\s*(;|$)/i.test(request.headers['content-type'] ?? '');
  const wrongType: Refusal = {
    status: 415,
    detail:
      'A request with a body needs content-type: application/json, or application/x-ndjson for a request set.',
  };
  const tooLarge: Refusal = { status: 413, detail: `A body may have at most ${MAX_BODY_BYTES} bytes.` };
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > MAX_BODY_BYTES) return tooLarge;
  if (declared > 0 && !isJson) return wrongType;

  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return tooLarge;
    if (!isJson) return wrongType;
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks, length) };
}

/** An error of the host's own, as problem+json; the connection ends, since there may be a body that nobody reads. */
function refuse(response: ServerResponse, { status, detail, headers = {} }: Refusal): void {
  const problem = {
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    ...(detail === undefined ? {} : { detail }),
  };
  const all = { ...headers, 'content-type': 'application/problem+json', connection: 'close' };
  send(response, status, all, Buffer.from(JSON.stringify(problem)));
}

function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string | string[]>>,
  body: Uint8Array = Buffer.alloc(0),
): void {
  response.writeHead(status, {
    ...headers,
    ...(status === 204 || status === 304 ? {} : { 'content-length': body.byteLength }),
  });
  response.end(body);
}

function toNullable(
  entries: readonly [string, string | string[] | undefined][],
): Record<string, { readonly value: string }> {
  return Object.fromEntries(
    entries.flatMap(([name, value]) =>
      value === undefined ? [] : [[name, { value: Array.isArray(value) ? value.join(', ') : value }]],
    ),
  );
}

/** Set-Cookie, with the path that Azure adds in buffered mode. */
function formatCookie(cookie: RpcCookie): string {
  const sameSite = { none: undefined, lax: 'Lax', strict: 'Strict', explicitNone: 'None' }[
    cookie.sameSite ?? 'none'
  ];
  const expires = cookie.expires?.value.seconds;
  const attributes = {
    Domain: cookie.domain?.value,
    Path: cookie.path?.value ?? '/',
    Expires: expires === undefined ? undefined : new Date(expires * 1000).toUTCString(),
    'Max-Age': cookie.maxAge?.value,
    SameSite: sameSite,
  };
  const text = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  if (cookie.secure?.value) text.push('Secure');
  if (cookie.httpOnly?.value) text.push('HttpOnly');
  return [`${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`, ...text].join('; ');
}
