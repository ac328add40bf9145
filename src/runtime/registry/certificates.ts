import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errorMessage, hasCode } from '../../model/errors.ts';
import { tls } from '../../model/http.ts';

/** Docker's directory and our own; each holds a directory for a host, named as in image names: "host:5000". */
const FOLDERS = ['/etc/docker/certs.d', '/etc/fairway/certs.d'];

export interface HostCertificates {
  /** PEM: those the system trusts, and the registry's own */
  readonly ca: readonly string[];
  readonly cert?: string;
  readonly key?: string;
}

/**
 * What an administrator laid down for one registry: `*.crt` are authorities to trust, `NAME.cert` with `NAME.key` is what
 * the daemon shows. https://docs.docker.com/engine/security/certificates/
 *
 * @throws EngineError internal for a certificate without its key, or the other way round
 */
export function certificatesFor(host: string, folders: readonly string[] = FOLDERS): HostCertificates {
  const found = folders.map((folder) => readFolder(join(folder, host)));
  const own = found.flatMap(({ authorities }) => authorities);
  const [pair] = found.flatMap(({ pairs }) => pairs);
  return { ca: [...trusted(), ...own], ...pair };
}

/** The system's, which is what an administrator adds to; Node's own where the system has none. */
function trusted(): readonly string[] {
  const system = tls().getCACertificates('system');
  return system.length > 0 ? system : tls().getCACertificates('bundled');
}

interface Folder {
  readonly authorities: readonly string[];
  readonly pairs: readonly { readonly cert: string; readonly key: string }[];
}

function readFolder(folder: string): Folder {
  const names = listFolder(folder);
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const pairs = names
    .filter((name) => name.endsWith('.cert'))
    .map((name) => {
      const key = name.replace(/\.cert$/, '.key');
      if (names.includes(key)) return { cert: read(name), key: read(key) };
      throw new EngineError(
        'internal',
        `missing key ${key} for client certificate ${name}. CA certificates must use the extension .crt`,
      );
    });
  const orphan = names.find((name) => name.endsWith('.key') && !names.includes(name.replace(/\.key$/, '.cert')));
  if (orphan !== undefined) {
    const certificate = orphan.replace(/\.key$/, '.cert');
    throw new EngineError('internal', `missing client certificate ${certificate} for key ${orphan}`);
  }
  return { authorities: names.filter((name) => name.endsWith('.crt')).map(read), pairs };
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw new EngineError('internal', `Cannot read ${folder}: ${errorMessage(error)}`, { cause: error });
  }
}
