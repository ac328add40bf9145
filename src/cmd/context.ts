import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const NAME = 'fairway';

/** Where the docker CLI keeps a user's contexts: a folder each, named by the digest of the context's name. */
function folders(): { readonly config: string; readonly meta: string; readonly tls: string } {
  const config = process.env['DOCKER_CONFIG'] || join(homedir(), '.docker');
  const digest = createHash('sha256').update(NAME).digest('hex');
  return { config, meta: join(config, 'contexts/meta', digest), tls: join(config, 'contexts/tls', digest) };
}

/**
 * Makes the docker context "fairway" for this user: `docker --context fairway` reaches the daemon.
 * @param host "unix:///run/fairway/fairway.sock" @returns false when it was there, and is as it was
 */
export function installContext(host: string): boolean {
  const file = join(folders().meta, 'meta.json');
  const text = JSON.stringify({
    Name: NAME,
    Metadata: { Description: 'Fairway on this machine' },
    Endpoints: { docker: { Host: host, SkipTLSVerify: false } },
  });
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return false;
  mkdirSync(folders().meta, { recursive: true, mode: 0o755 });
  writeFileSync(file, text, { mode: 0o644 });
  return true;
}

/** Takes it away. Who used it uses the default again. @returns false when there was none */
export function removeContext(): boolean {
  const { config, meta, tls } = folders();
  if (!existsSync(meta)) return false;
  for (const folder of [meta, tls]) rmSync(folder, { recursive: true, force: true });
  const file = join(config, 'config.json');
  if (!existsSync(file)) return true;
  const settings: Record<string, unknown> = JSON.parse(readFileSync(file, 'utf8'));
  if (settings['currentContext'] !== NAME) return true;
  const { currentContext, ...others } = settings;
  // As the docker CLI writes it.
  writeFileSync(file, JSON.stringify(others, undefined, '\t'));
  return true;
}
