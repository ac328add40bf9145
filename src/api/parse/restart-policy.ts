import type { RestartPolicy } from '../../model/container.ts';
import { invalid } from '../status.ts';
import type { Fields } from './fields.ts';

const NAMES: readonly RestartPolicy['name'][] = ['no', 'always', 'on-failure', 'unless-stopped'];

/** `--restart`; undefined when it names none. @throws EngineError invalidArgument in Docker's words (moby: ValidateRestartPolicy) */
export function parseRestartPolicy(fields: Fields): RestartPolicy | undefined {
  const text = fields.text('Name');
  const count = fields.integer('MaximumRetryCount') ?? 0;
  fields.close();
  // Whatever count comes without a name is ignored, as by Docker: old clients sent it.
  if (text === '') return undefined;
  const name = NAMES.find((known) => known === text);
  if (name === undefined) {
    throw invalid(
      `invalid restart policy: unknown policy '${text}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (name !== 'on-failure' && count !== 0) {
    const negative = count < 0 ? ' and cannot be negative' : '';
    throw invalid(`invalid restart policy: maximum retry count can only be used with 'on-failure'${negative}`);
  }
  if (count < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
  return { name, maximumRetries: count };
}
