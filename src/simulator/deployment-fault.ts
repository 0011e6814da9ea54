/** How a deployment fails that was accepted: code and sentence, and what its container had to say. */
import type { Faults } from './faults.ts';

export interface DeploymentFault {
  readonly code: string;
  readonly message: string;
  /** Last lines of the container's log, where there was a container. */
  readonly log?: readonly string[];
}

const TROUBLESHOOTING = 'Please see troubleshooting guide, available here: https://aka.ms/oe-tsg';

/** By the word after `fault-`; codes and causes as Microsoft's troubleshooting page for online endpoints has them. */
const FAULTS: Readonly<Record<string, DeploymentFault>> = {
  'deploy-outofquota': {
    code: 'OutOfQuota',
    message: `Not enough quota available for the requested VM size in this subscription. Current usage/limit: 0/0. Additional needed: 24. ${TROUBLESHOOTING}#error-outofquota`,
  },
  'deploy-outofcapacity': {
    code: 'OutOfQuota',
    message: `The specified VM size cannot be provisioned due to a lack of Azure Machine Learning capacity in the region (region-wide VM capacity). Retry later or try deploying to a different region. ${TROUBLESHOOTING}#error-outofquota`,
  },
  'deploy-outofdisk': {
    code: 'OutOfQuota',
    message: `Disk quota: the model does not fit on the disk of the VM size, which has too little space left. ${TROUBLESHOOTING}#error-outofquota`,
  },
  'deploy-outofmemory': {
    code: 'OutOfQuota',
    message: `Memory quota: the footprint of the model is larger than the memory of the VM size. ${TROUBLESHOOTING}#error-outofquota`,
  },
  'deploy-outofroles': {
    code: 'OutOfQuota',
    message: `Role assignment quota: the subscription has no room for the role assignments of the endpoint's identity. ${TROUBLESHOOTING}#error-outofquota`,
  },
  'deploy-imagebuildfailure': {
    code: 'ImageBuildFailure',
    message: `The environment's image could not be built; see the build log in the workspace's storage. ${TROUBLESHOOTING}#error-imagebuildfailure`,
  },
  'deploy-imagepull': {
    code: 'BadArgument',
    message: `Unable to download user container image: the registry refused the pull. ${TROUBLESHOOTING}#error-badargument`,
  },
  'deploy-badargument': {
    code: 'BadArgument',
    message: `The request has an argument that is not valid: the container's resources exceed those of the VM size. ${TROUBLESHOOTING}#error-badargument`,
  },
  'deploy-resourcenotready': {
    code: 'ResourceNotReady',
    message: `The readiness probe failed 30 times: the container did not become ready. ${TROUBLESHOOTING}#error-resourcenotready`,
    log: [
      'INFO: Waiting for the engine to be ready',
      'ERROR: Readiness probe on port 5001 failed: connection refused',
    ],
  },
  'deploy-containercrash': {
    code: 'ResourceNotReady',
    message: `User container has crashed or terminated: exit code 1. ${TROUBLESHOOTING}#error-resourcenotready`,
    log: [
      'Traceback (most recent call last):',
      '  File "/opt/serve/engine.py", line 91, in start',
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.',
    ],
  },
  'deploy-resourcenotfound': {
    code: 'ResourceNotFound',
    message: `The model, environment or container registry of the deployment was not found or is not accessible. ${TROUBLESHOOTING}#error-resourcenotfound`,
  },
  'deploy-networknotready': {
    code: 'WorkspaceManagedNetworkNotReady',
    message: `The managed network of the workspace is not provisioned. ${TROUBLESHOOTING}#error-workspacemanagednetworknotready`,
  },
  'deploy-operationcanceled': {
    code: 'OperationCanceled',
    message: `The operation was canceled by another operation that has a higher priority. ${TROUBLESHOOTING}#error-operationcanceled`,
  },
  'deploy-secretsinjectionerror': {
    code: 'SecretsInjectionError',
    message: `A secret could not be retrieved with the endpoint's identity. ${TROUBLESHOOTING}#error-secretsinjectionerror`,
  },
  'deploy-internalservererror': {
    code: 'InternalServerError',
    message: `Something is wrong with the service; try again or open a support request. ${TROUBLESHOOTING}#error-internalservererror`,
  },
};

/** Each of the words, for the table in README.md and its test. */
export const DEPLOYMENT_FAULTS: readonly string[] = Object.keys(FAULTS);

/** The first of these faults by which a deployment fails and that strikes now. */
export function chooseDeploymentFault(
  faults: Faults,
  strikes: (word: string, times: number) => boolean,
): DeploymentFault | undefined {
  for (const [word, times] of faults) {
    const fault = FAULTS[word];
    if (fault !== undefined && (times === null || strikes(word, times))) return fault;
  }
  return undefined;
}
