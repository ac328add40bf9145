import { KernelError } from '../model/errors.ts';
import type { LinkInfo } from './rtnetlink-messages.ts';

/** Something in a batch was refused; what was not has happened all the same. */
export class BatchError extends KernelError {
  /** Which call on the batch failed first, counted from 0 */
  readonly index: number;
  /** All that failed, by the call's number */
  readonly failures: ReadonlyMap<number, KernelError>;
  /** What was made, in the order of the calls */
  readonly links: readonly LinkInfo[];

  constructor(failures: ReadonlyMap<number, KernelError>, links: readonly LinkInfo[]) {
    const [[index, first] = [0, undefined]] = failures;
    if (first === undefined) throw new RangeError('a batch without a failure did not fail');
    super(first, first.code);
    this.name = 'BatchError';
    this.index = index;
    this.failures = failures;
    this.links = links;
  }
}
