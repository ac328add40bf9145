import type { UpdateRequest } from '../../engine/container-update.ts';
import { Fields } from './fields.ts';
import { parseResources } from './resources.ts';
import { parseRestartPolicy } from './restart-policy.ts';

/** The body of POST /containers/{id}/update. @throws EngineError invalidArgument */
export function parseUpdate(body: unknown): UpdateRequest {
  const fields = new Fields(body, '');
  const resources = parseResources(fields);
  const restartPolicy = parseRestartPolicy(fields.child('RestartPolicy'));
  fields.close();
  return { resources, ...(restartPolicy === undefined ? {} : { restartPolicy }) };
}
