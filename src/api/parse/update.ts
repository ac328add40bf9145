import type { UpdateRequest } from '../../engine/container-update.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { Fields } from './fields.ts';
import { parseResources } from './resources.ts';
import { parseRestartPolicy } from './restart-policy.ts';

/** The body of POST /containers/{id}/update. @throws EngineError invalidArgument */
export function parseUpdate(body: unknown, version: ApiVersion): UpdateRequest {
  const fields = new Fields(body, '');
  const { pidsLimit, ...others } = parseResources(fields);
  // Before API 1.40 an update had no such limit, and clients send one that means nothing.
  const resources = pidsLimit === undefined || !atLeast(version, '1.40') ? others : { ...others, pidsLimit };
  const restartPolicy = parseRestartPolicy(fields.child('RestartPolicy'));
  fields.close();
  return { resources, ...(restartPolicy === undefined ? {} : { restartPolicy }) };
}
