import type { VolumeRequest } from '../../engine/requests.ts';
import { EngineError } from '../../model/errors.ts';
import { invalid } from '../status.ts';
import { Fields } from './fields.ts';

/** Docker's RestrictedNamePattern. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** NAME_MAX of the host's file systems: a volume is a directory. */
const LONGEST_NAME = 255;

/** Body of POST /volumes/create; an empty name asks for an anonymous volume. @throws EngineError invalidArgument */
export function parseVolumeRequest(body: unknown): VolumeRequest {
  const fields = new Fields(body, '');
  const name = fields.text('Name');
  const driver = fields.text('Driver');
  const request = { name, labels: fields.map('Labels'), options: fields.map('DriverOpts') };
  fields.close({ ClusterVolumeSpec: 'a cluster volume' });
  if (name !== '') checkVolumeName(name);
  requireLocal(driver, name);
  return request;
}

/** @throws EngineError invalidArgument with Docker's words (moby: volume/local) */
export function checkVolumeName(name: string): void {
  if (name.length === 1) {
    throw invalid('volume name is too short, names should be at least two alphanumeric characters');
  }
  if (!NAME.test(name)) {
    throw invalid(
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (name.length > LONGEST_NAME) throw invalid(`create ${name}: the name is longer than ${LONGEST_NAME} characters`);
}

/** DriverConfig of `--mount`. @returns its options */
export function parseDriverConfig(fields: Fields): Record<string, string> {
  requireLocal(fields.text('Name'), '');
  const options = fields.map('Options');
  fields.close();
  return options;
}

/** @throws EngineError notFound with Docker's words: there are no plugins */
function requireLocal(driver: string, name: string): void {
  if (driver === '' || driver === 'local') return;
  const reason = `error looking up volume plugin ${driver}: plugin "${driver}" not found`;
  throw new EngineError('notFound', name === '' ? reason : `create ${name}: ${reason}`);
}
