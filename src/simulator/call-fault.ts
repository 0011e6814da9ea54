/** The answers by which a call to ARM fails for a fault, each as the service words it. */
import { ArmError } from './arm-error.ts';
import type { CallFault } from './fault-plan.ts';

/** What a client gets of the faults that answer; the others break the connection off. */
const ANSWERS: Readonly<Record<string, readonly [status: number, code: string, message: string]>> = {
  'arm-401': [
    401,
    'ExpiredAuthenticationToken',
    "The access token expiry UTC time '11/25/2026 12:00:00 PM' is earlier than current UTC time '11/25/2026 12:00:01 PM'.",
  ],
  'arm-403': [
    403,
    'AuthorizationFailed',
    "The client '00000000-0000-0000-0000-000000000001' with object id '00000000-0000-0000-0000-000000000001' does not have authorization to perform this action, or the scope is invalid. If access was recently granted, please refresh your credentials.",
  ],
  'arm-404': [404, 'ResourceNotFound', 'The resource was not found.'],
  'arm-409': [409, 'Conflict', 'Another operation on this resource is in progress. Try again later.'],
  'arm-429': [
    429,
    'SubscriptionRequestsThrottled',
    'Number of requests for this subscription exceeded. Please try again after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.',
  ],
  'arm-500': [500, 'InternalServerError', 'Encountered an internal server error.'],
  'arm-503': [503, 'ServiceUnavailable', 'The service is temporarily unavailable.'],
  'arm-504': [
    504,
    'GatewayTimeout',
    'The gateway did not receive a response within the specified time period.',
  ],
  'put-updating': [
    409,
    'Conflict',
    'The resource, or one that it belongs to, is still updating. Try again when this has ended.',
  ],
  'delete-busy': [
    409,
    'Conflict',
    'The resource is busy with another operation and cannot be deleted now. Try again later.',
  ],
};

/** The refusal that this fault is, or undefined where it breaks the connection off. */
export function refusalOf(fault: CallFault): ArmError | undefined {
  const answer = ANSWERS[fault];
  return answer && new ArmError(...answer);
}
