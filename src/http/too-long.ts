/** Whether a row can hold what is about to be started: told before anything is claimed or written. */
import type { Services } from '../services.ts';
import { invalidInput } from './problem.ts';

export function refuseTooLong({ stores }: Services, record: object): void {
  const message = stores.tooLong(record);
  if (message !== null) throw invalidInput([{ path: '(body)', message }]);
}
