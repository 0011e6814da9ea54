/**
 * Why a deployment failed, as a sentence with the remedy, and whether another place may do better. Codes and wording
 * are those of "Troubleshoot online endpoint deployment and scoring" (learn.microsoft.com, Azure Machine Learning). The
 * service says OutOfQuota for eight different things; what helps differs, and only the message tells them apart.
 */
import { redact } from '../redact.ts';

/** What may be done about it without the user: nothing, the same under a new name, or another place or time. */
export type Recourse = 'none' | 'again' | 'elsewhere';

export interface DeployFailure {
  /** The service's code, or a plainer one where it uses one word for several things. */
  readonly code: string;
  readonly recourse: Recourse;
  /** A sentence with the remedy. */
  readonly remedy: string;
}

interface Rule extends DeployFailure {
  readonly when: (code: string, message: string) => boolean;
}

const isCode = (pattern: RegExp) => (code: string) => pattern.test(code);
const QUOTA = /^(OutOfQuota|QuotaExceeded|InsufficientQuota|ResourceQuotaExceeded)$/i;
const quotaThatSays = (pattern: RegExp) => (code: string, message: string) =>
  QUOTA.test(code) && pattern.test(message);

/** The first that fits. */
const RULES: readonly Rule[] = [
  {
    when: (code, message) =>
      /OutOfCapacity|AllocationFailed|SkuNotAvailable|NotEnoughCapacity/i.test(code) ||
      (QUOTA.test(code) && /capacity|AllocationFailed|not available in/i.test(message)),
    code: 'OutOfCapacity',
    recourse: 'elsewhere',
    remedy:
      'Azure has no free machines of this size in this region now, whatever the quota; try later, or name other workspaces or SKUs in target.placements.',
  },
  {
    when: quotaThatSays(/role assignment/i),
    code: 'OutOfRoleAssignments',
    recourse: 'none',
    remedy:
      'The subscription has no role assignments left, and each endpoint with an identity needs some; remove unused ones (Access control of the subscription).',
  },
  {
    when: quotaThatSays(
      /\bendpoints?\b.{0,60}(limit|maximum|quota|exceed)|(limit|maximum).{0,60}\bendpoints\b/i,
    ),
    code: 'OutOfEndpoints',
    recourse: 'elsewhere',
    remedy:
      'The subscription has as many endpoints in this region as Azure ML allows (100); delete unused ones.',
  },
  {
    when: quotaThatSays(/\bdisk\b|no space left/i),
    code: 'OutOfDisk',
    recourse: 'none',
    remedy: 'The model does not fit the disk of this SKU; use one with a larger disk.',
  },
  {
    when: quotaThatSays(/\bmemory\b/i),
    code: 'OutOfMemory',
    recourse: 'none',
    remedy: 'The model does not fit the memory of this SKU; use one with more.',
  },
  {
    when: (code, message) => QUOTA.test(code) || /exceed\w*.{0,40}quota|quota.{0,40}exceed/i.test(message),
    code: 'OutOfQuota',
    recourse: 'elsewhere',
    remedy:
      'The quota of this VM family is too small; ask for more in the Azure ML studio (Quotas), use fewer instances or another SKU, or name other workspaces in target.placements.',
  },
  {
    when: isCode(/ImageBuildFailure/i),
    code: 'ImageBuildFailure',
    recourse: 'none',
    remedy:
      'The image of the environment could not be built or pulled; see the build log in the studio, and in a workspace with a virtual network give it a compute for building images.',
  },
  {
    when: (code, message) =>
      /ManagedNetworkNotReady/i.test(code) || /managed network.{0,60}not (ready|provisioned)/i.test(message),
    code: 'WorkspaceManagedNetworkNotReady',
    recourse: 'none',
    remedy: 'Provision the managed network of the workspace first (`az ml workspace provision-network`).',
  },
  {
    when: isCode(/SecretsInjectionError/i),
    code: 'SecretsInjectionError',
    recourse: 'none',
    remedy:
      'A secret that an environment variable refers to could not be read; give the endpoint’s identity access to it, or correct the reference.',
  },
  {
    when: (code, message) =>
      /ResourceNotReady/i.test(code) && /(out of memory|OOM|cuda.{0,30}memory)/i.test(message),
    code: 'ResourceNotReady',
    recourse: 'none',
    remedy: 'The model needs more GPU memory than this SKU has; use a larger one.',
  },
  {
    when: isCode(/ResourceNotReady/i),
    code: 'ResourceNotReady',
    recourse: 'none',
    remedy:
      'The container crashed or did not pass its probes; its log tells why (often too little GPU memory for the model).',
  },
  {
    when: (code, message) =>
      /MarketplaceSubscription|MarketplacePurchase|LegalTerms/i.test(code) ||
      /marketplace.{0,80}(subscri|terms|offer|purchase)/i.test(message),
    code: 'MarketplaceTermsMissing',
    recourse: 'none',
    remedy:
      'The model is a partner’s, whose offer must be accepted in the Azure Marketplace first; this tool never accepts terms for you.',
  },
  {
    when: (code, message) =>
      /ResourceNotFound|ModelNotFound|AssetNotFound/i.test(code) ||
      (/BadArgument|InvalidModel/i.test(code) &&
        /model.{0,80}(not found|does not exist|could not be found)/i.test(message)),
    code: 'ResourceNotFound',
    recourse: 'none',
    remedy:
      'Something that the deployment needs does not exist or cannot be seen: check registry, name and version of the model, and that the container registry of the workspace can be reached.',
  },
  {
    when: (code, message) =>
      /BadArgument|InvalidArgument/i.test(code) &&
      /authorization|role assignment|permission|access|(download|pull).{0,40}(image|model|container)|(image|model|container).{0,60}(download|pull)/i.test(
        message,
      ),
    code: 'BadArgument',
    recourse: 'none',
    remedy:
      'The endpoint’s identity could not read an image or a model; give it AcrPull and Storage Blob Data Reader in the workspace, and AzureML Registry User on a registry of your own.',
  },
  {
    when: isCode(/BadArgument|InvalidArgument|InvalidPropertyValue|ValidationError|UserError/i),
    code: 'BadArgument',
    recourse: 'none',
    remedy: 'Azure ML does not accept a value of this deployment; its own words name it.',
  },
  {
    when: (code) => /OperationCanceled/i.test(code),
    code: 'OperationCanceled',
    recourse: 'again',
    remedy: 'Another operation on the same endpoint had priority; try again in a minute.',
  },
  {
    when: isCode(/NameTaken|EndpointNameAlreadyExists|NameNotAvailable/i),
    code: 'NameTaken',
    recourse: 'again',
    remedy: 'The name is taken in this region; the next attempt has another one.',
  },
  {
    when: isCode(/InternalServerError|InternalError|ServiceError/i),
    code: 'InternalServerError',
    recourse: 'again',
    remedy: 'This is a fault on the side of Azure; try again.',
  },
];

/** What a code and its message mean; null where the documents do not know them. */
export function findDeployFailure(code: string, message: string): DeployFailure | null {
  const rule = RULES.find(({ when }) => when(code, message));
  if (rule === undefined) return null;
  return { code: rule.code, recourse: rule.recourse, remedy: rule.remedy };
}

/**
 * Whether a refusal says only that something is still under way, so that the same request will do later: "updating",
 * a lock, another operation. Azure answers 409 for it, and 400 as well.
 */
export function saysStillBusy(status: number | null, code: string, message: string): boolean {
  if (status === 409 && !/exists|taken/i.test(`${code} ${message}`)) return true;
  if (/OperationCanceled|AnotherOperationInProgress|OperationNotAllowed/i.test(code)) return true;
  if (status !== 400 && status !== 412 && status !== 423) return false;
  return /\b(is|still|currently|in state|state:?)\W{0,3}(updating|creating|scaling|deleting|in progress)\b|(operation|update) (is )?(already )?in progress|wait(ing)? for (lock|the)|try again later/i.test(
    message,
  );
}

export interface FailedStage {
  readonly stage: 'endpoint' | 'deployment' | 'traffic';
  readonly endpoint: string;
  readonly region: string | null;
  readonly sku: string;
  readonly instances: number;
  /** ARM's word: Failed or Canceled. */
  readonly provisioningState: string;
  /** What the operation said; null where it could not be read. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** The container's log; null where there is none. */
  readonly log: string | null;
}

/** What of a service's message is quoted: it may carry a whole build log. */
const MESSAGE_CHARACTERS = 400;
/** The end of a log holds the last exception; a failure's message is one column of a row and a line on a page. */
const LOG_CHARACTERS = 600;

/** The failure of a stage in a sentence or two: what, Azure's words, the remedy, the end of the container's log. */
export function explainFailedStage(failed: FailedStage): {
  readonly message: string;
  readonly recourse: Recourse;
} {
  const { stage, endpoint, region, sku, instances, provisioningState, error, log } = failed;
  const place = region === null ? '' : ` in ${region}`;
  const what = `Azure ML reports the ${stage} of ${endpoint} (${instances} x ${sku}${place}) as ${provisioningState}`;
  // A crash is told in the log alone.
  const words = [error?.message, /ResourceNotReady/i.test(error?.code ?? '') ? log : null].join(' ');
  const known = findDeployFailure(error?.code ?? 'Unknown', words);
  // A deployment without a reason but with a log is a container that did not come up.
  const remedy =
    known?.remedy ??
    (error === null
      ? 'It did not say why; the studio shows the deployment’s log.'
      : 'The code is not among those that Azure ML documents; its own words are all there is.');
  const said =
    error === null ? '' : `: ${sayCode(error.code, known)} (${shorten(error.message, MESSAGE_CHARACTERS)})`;
  const tail = log === null ? '' : ` The end of the container's log: ${tailOfLog(log)}`;
  return { message: `${what}${said}. ${remedy}${tail}`, recourse: known?.recourse ?? 'none' };
}

/** `OutOfCapacity, told as OutOfQuota`, where the service's own word misleads. */
export function sayCode(code: string, known: Pick<DeployFailure, 'code'> | null): string {
  return known === null || known.code.toLowerCase() === code.toLowerCase()
    ? code
    : `${known.code}, told as ${code}`;
}

/** The last lines, without control characters and without anything that looks like a secret. */
export function tailOfLog(log: string): string {
  const plain = redactLog(
    log.replace(/\u001b\[[\d;]*[A-Za-z]/g, '').replace(/[\u0000-\u0009\u000b-\u001f\u007f]/g, ' '),
  ).trim();
  if (plain.length <= LOG_CHARACTERS) return plain;
  const cut = plain.slice(-LOG_CHARACTERS);
  const firstBreak = cut.indexOf('\n');
  return `...${firstBreak >= 0 && firstBreak < LOG_CHARACTERS / 2 ? cut.slice(firstBreak + 1) : cut}`;
}

/** A container's log may name its secrets in whatever words: more is cut out of it than of our own. */
function redactLog(text: string): string {
  return redact(
    text.replace(
      /\b(sig|signature|AccountKey|api[_-]?key|password|secret|token)(["']?\s*[=:]\s*["']?)[^\s"'&;,]{6,}/gi,
      '$1$2...',
    ),
  );
}

function shorten(message: string, most: number): string {
  const plain = redactLog(message.replace(/\s+/g, ' ').trim()).replace(/\.$/, '');
  return plain.length > most ? `${plain.slice(0, most)}...` : plain;
}
