import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installContext, removeContext } from '../src/cmd/context.ts';
import { busyboxTar } from '../test/fixtures.ts';

/**
 * `npm start`: a daemon, and a short tour of it. On a terminal the daemon then serves until Ctrl-C; without one it ends with
 * the tour. Either way the host is left as it was. `npm start -- --detach` leaves the daemon running until `npm stop`.
 */
const ROOT = join(import.meta.dirname, '..');
const SOCKET = '/run/fairway/fairway.sock';
const PIDFILE = '/run/fairway/fairwayd.pid';
const LOG = '/run/fairway/fairwayd.log';
const DATA = '/var/lib/fairway';
const NETWORK = 'tour';
const CONTAINERS = ['tour-web', 'tour-client'];
const PORT = '8080';

const detach = process.argv.includes('--detach');
await (process.argv.includes('--stop') ? stop() : start());

async function start(): Promise<void> {
  const madeContext = installContext(`unix://${SOCKET}`);
  const daemon = alive() ? undefined : await startDaemon();
  try {
    await tour();
  } finally {
    await removeTour();
  }
  if (detach || daemon === undefined) {
    say(`\nThe daemon serves ${SOCKET} (log: ${LOG}). npm stop ends it.`);
    daemon?.unref();
    return;
  }
  if (process.stdin.isTTY === true) await serveUntilInterrupted(daemon);
  await endDaemon();
  if (madeContext) removeContext();
  say('The daemon has ended and the host is as it was.');
  if (process.stdin.isTTY !== true) say('To keep it running: npm start -- --detach');
}

async function stop(): Promise<void> {
  if (alive()) await endDaemon();
  removeContext();
  say('The daemon has ended and the host is as it was.');
}

function alive(): boolean {
  try {
    process.kill(Number(readFileSync(PIDFILE, 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

async function startDaemon(): Promise<ChildProcess> {
  mkdirSync('/run/fairway', { recursive: true });
  const fresh = !existsSync(DATA);
  const log = openSync(LOG, 'a');
  const flags = ['--leave-no-trace', '--data-root', DATA];
  const daemon = spawn(join(ROOT, 'bin/fairwayd'), flags, { stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  if (fresh) process.once('exit', () => detach || rmSync(DATA, { recursive: true, force: true }));
  for (let tries = 0; tries < 300; tries++) {
    if (daemon.exitCode !== null || daemon.signalCode !== null)
      throw new Error(`the daemon did not start; its last words:\n${readFileSync(LOG, 'utf8').slice(-2000)}`);
    if (
      await fairway('version').then(
        () => true,
        () => false,
      )
    )
      return daemon;
    await sleep(50);
  }
  throw new Error(`the daemon does not answer; see ${LOG}`);
}

/** SIGTERM; waits until the process is gone. containerd's shims had their sockets where no setting moves them. */
async function endDaemon(): Promise<void> {
  const pid = Number(readFileSync(PIDFILE, 'utf8'));
  process.kill(pid, 'SIGTERM');
  for (let tries = 0; tries < 600 && alive(); tries++) await sleep(50);
  for (const folder of ['/run/containerd/s', '/run/containerd']) {
    try {
      rmdirSync(folder);
    } catch {
      return; // somebody else's containerd uses it
    }
  }
}

async function tour(): Promise<void> {
  say('Fairway is up. A short tour:\n');
  const images = await fairway('images', '-q', 'busybox:latest');
  if (images === '') await show('import', '--change', 'CMD ["sh"]', await busyboxTar(), 'busybox:latest');
  await show('network', 'create', NETWORK);
  await show(
    'run',
    '-d',
    '--name',
    'tour-web',
    '--network',
    NETWORK,
    '-p',
    `${PORT}:80`,
    'busybox',
    'httpd',
    '-f',
    '-h',
    '/var/www',
  );
  say('\nA second container finds the first by its name:');
  await show(
    'run',
    '--rm',
    '--name',
    'tour-client',
    '--network',
    NETWORK,
    'busybox',
    'wget',
    '-qO-',
    'http://tour-web/',
  );
  say('\nThe published port answers on this machine:');
  await printed('curl', ['-s', `http://127.0.0.1:${PORT}/`]);
  say('\nWhat Fairway holds for this:');
  await printed(join(ROOT, 'bin/fairway'), ['status']);
  say('\nGo on in a second terminal:');
  say('  docker --context fairway run --rm -it busybox');
  say('  docker context use fairway        # from then on plain "docker" speaks to Fairway');
}

async function removeTour(): Promise<void> {
  await fairway('rm', '-f', ...CONTAINERS).catch(() => undefined);
  await fairway('network', 'rm', NETWORK).catch(() => undefined);
}

async function serveUntilInterrupted(daemon: ChildProcess): Promise<void> {
  say('\nThe daemon serves until you press Ctrl-C here.');
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    daemon.once('exit', resolve);
  });
  say('\nStopping what runs, and taking everything back …');
}

/** Prints the command as a user would type it, and what it says. */
async function show(...args: string[]): Promise<void> {
  await printed('docker', ['--context', 'fairway', ...args]);
}

async function printed(program: string, args: readonly string[]): Promise<void> {
  const typed = [program.replace(`${ROOT}/`, ''), ...args].map((word) => (/["' ]/.test(word) ? `'${word}'` : word));
  say(`$ ${typed.join(' ')}`);
  say((await output(program, args)).replace(/^/gm, '  '));
}

function fairway(...args: string[]): Promise<string> {
  return docker('--context', 'fairway', ...args);
}

function docker(...args: string[]): Promise<string> {
  return output('docker', args);
}

/** @returns stdout without its last newline; rejects with what the command said when it fails */
function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { env: { ...process.env, DOCKER_CLI_HINTS: 'false' } }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.replace(/\n$/, ''));
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`));
    });
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
