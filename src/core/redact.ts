/**
 * The last net under everything that leaves as text: what has the form of a secret is cut out of it, whoever wrote it.
 * Who knows a secret cuts it out by itself (load/classify.ts, azure/arm-error.ts); this is for the words of others.
 */

const MARK = '(redacted)';

const FORMS: readonly (readonly [RegExp, string])[] = [
  // An authorization header or what is quoted of one: `Bearer x`, `Basic x`, `SharedKey account:x`.
  [/\b(Bearer|Basic|SharedKey(?:Lite)?)\s+(?!realm=|\.\.\.|\()[^\s"',;)\]}]+/gi, `$1 ${MARK}`],
  // A token as Entra signs it, wherever it stands.
  [/\beyJ[\w-]{10,}\.[\w-]{4,}(?:\.[\w-]*)?/g, MARK],
  // Keys of model hubs, which say by their first letters what they are.
  [/\b(hf_|sk-)[\w.-]{12,}/g, `$1${MARK}`],
  // Keys in connection strings and in queries: `AccountKey=x`, `?code=x`, `&sig=x`.
  [/\b(AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd)\s*=\s*[^\s;"'&]+/gi, `$1=${MARK}`],
  [
    /([?&](?:code|sig|key|api-key|token|access_token|client_secret|subscription-key)=)[^\s&"'#]+/gi,
    `$1${MARK}`,
  ],
  // Variables that a container prints at its start: `HF_TOKEN=x`.
  [/\b(\w{0,60}(?:TOKEN|SECRET|PASSWORD|API_?KEY|ACCESS_?KEY)\s?=\s?)[^\s;"',]+/g, `$1${MARK}`],
  // The same as headers and as JSON: `x-functions-key: x`, `"primaryKey":"x"`.
  [/\b((?:x-functions-key|api-key|ocp-apim-subscription-key)["']?\s*[:=]\s*["']?)[^\s"',;]+/gi, `$1${MARK}`],
  [
    /("(?:primaryKey|secondaryKey|accessToken|access_token|clientSecret|client_secret|password)"\s*:\s*")[^"]*/gi,
    `$1${MARK}`,
  ],
  // User and password before the host of an address.
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@"']{1,500}@/gi, `$1${MARK}@`],
];

/** The text without what has the form of a secret. */
export function redact(text: string): string {
  return FORMS.reduce((rest, [form, instead]) => rest.replace(form, instead), text);
}

/** Causes within causes that are told. */
const MOST_CAUSES = 5;

/** An error as text for a log: its stack, and those of its causes, redacted. */
export function describeError(error: unknown): string {
  const told: string[] = [];
  let current = error;
  for (let depth = 0; depth < MOST_CAUSES && current !== undefined && current !== null; depth += 1) {
    const thrown: unknown = current;
    if (thrown instanceof Error) told.push(thrown.stack ?? `${thrown.name}: ${thrown.message}`);
    else told.push(String(thrown));
    current = thrown instanceof Error ? thrown.cause : undefined;
  }
  return redact(told.join('\nCaused by: '));
}

/**
 * The error as it may be thrown on to whoever keeps it, such as durable history: the same name, message and stack,
 * redacted, and without its causes, which may hold requests and answers.
 */
export function redactError(error: unknown): Error {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const clean = new Error(redact(message));
  clean.name = name;
  if (stack !== undefined) clean.stack = redact(stack);
  return clean;
}
