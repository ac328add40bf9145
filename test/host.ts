import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostCgroups } from './cgroups.ts';
import { type ExecOptions, type Finished, Shells, SLOWNESS } from './shells.ts';

export type { ExecOptions, Finished };

/**
 * A machine of the test's own: private network, mount, PID, IPC, UTS and cgroup namespaces with "eth0" (192.0.2.2/24, default
 * route by 192.0.2.1) on a LAN, which is a second network namespace holding 192.0.2.1. /run is an empty tmpfs, /etc/resolv.conf
 * names 192.0.2.1. When the test ends, PID 1 of the host is killed, and with it everything that ran there.
 */
export class TestHost implements AsyncDisposable {
  readonly #machine: Namespaces;
  readonly #lan: Namespaces;
  readonly #parts = new AsyncDisposableStack();

  private constructor(machine: Namespaces, lan: Namespaces) {
    this.#machine = machine;
    this.#lan = lan;
  }

  /** Needs root, iproute2 and util-linux. */
  static async create(): Promise<TestHost> {
    const common = ['--net', '--mount', '--pid', '--fork', '--mount-proc', '--propagation', 'private'];
    await using made = new AsyncDisposableStack();
    const cgroups = made.use(new HostCgroups());
    const begin = (then: string) => cgroups.enter(then);
    const machine = made.use(await Namespaces.create([...common, '--ipc', '--uts'], begin, { join: cgroups.join }));
    const lan = made.use(await Namespaces.create(common, wired, { third: `/proc/${machine.pid}/ns/net` }));
    const host = new TestHost(machine, lan);
    await host.#configure();
    host.#parts.use(made.move());
    return host;
  }

  /** The kernel says that a link is up a little later than it has been set so. */
  async #configure(): Promise<void> {
    await this.shell(`set -e
      mount -t tmpfs tmpfs /run; mkdir -p /run/fairway; echo testhost > /proc/sys/kernel/hostname
      printf 'nameserver 192.0.2.1\\nsearch lan.test\\n' > /run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf
      echo 0 > /proc/sys/net/ipv4/ip_forward
      ${batch('link set lo up\naddr add 192.0.2.2/24 dev eth0\nlink set eth0 up\nroute add default via 192.0.2.1')}
      up() { case $(ip link show eth0) in *' state UP '*) ;; *) return 1 ;; esac; }
      until up; do sleep 0.05; done`);
  }

  /** PID, as the real host counts, of the machine's first process. Its files are below /proc/PID/root. */
  get pid(): number {
    return this.#machine.pid;
  }

  /** The same of the LAN's. */
  get lanPid(): number {
    return this.#lan.pid;
  }

  /** A path of the machine, as the test process reaches it. */
  path(inside: string): string {
    return `/proc/${this.pid}/root${inside}`;
  }

  /** Runs a command on the machine to its end; never throws for its exit code. */
  exec(command: readonly string[], options: ExecOptions = {}): Promise<Finished> {
    return this.#machine.shells.run(command, options);
  }

  /** @returns stdout without its last newline; throws when the command fails */
  async out(command: readonly string[], options: ExecOptions = {}): Promise<string> {
    return succeeded(command.join(' '), await this.exec(command, options));
  }

  async shell(script: string): Promise<string> {
    return this.out(['sh', '-c', script]);
  }

  /** Runs a command on the LAN, the machine's neighbour. */
  lan(command: readonly string[], options: ExecOptions = {}): Promise<Finished> {
    return this.#lan.shells.run(command, options);
  }

  async lanShell(script: string): Promise<string> {
    return succeeded(script, await this.lan(['sh', '-c', script]));
  }

  /** Starts a process on the machine; it ends with the machine at the latest. */
  spawn(command: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
    return start([...this.#machine.enter(), ...command], env);
  }

  spawnLan(command: readonly string[]): ChildProcess {
    return start([...this.#lan.enter(), ...command], {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

/**
 * Asks until the answer is true, with rests as long as an answer takes, which may be a process or more, and as an eighth of what
 * has been waited, but 250 ms at most. Fails with the question after `milliseconds` of an ordinary machine.
 */
export async function eventually(
  what: string,
  ask: () => Promise<boolean> | boolean,
  milliseconds = 60_000,
): Promise<void> {
  const begun = performance.now();
  const deadline = begun + milliseconds * SLOWNESS;
  for (;;) {
    const asked = performance.now();
    if (await ask()) return;
    const now = performance.now();
    if (now > deadline) throw new Error(`still not true after ${milliseconds * SLOWNESS} ms: ${what}`);
    await sleep(Math.min(250, Math.max(20, now - asked, (now - begun) / 8)));
  }
}

/** Shell: the first process of the LAN makes the pair there, so that nothing ever appears on the real host. Descriptor 3: the machine's network. */
function wired(then: string): string {
  const commands = `link add lan0 type veth peer name eth0 netns /proc/self/fd/3
    link set lo up\naddr add 192.0.2.1/24 dev lan0\nlink set lan0 up`;
  return `set -e\n${batch(commands)}exec 3<&-; ${then}`;
}

/** A first process that holds namespaces; its death ends every process in its PID namespace. */
class Namespaces implements AsyncDisposable {
  readonly pid: number;
  readonly shells: Shells;
  readonly #holder: ChildProcess;
  readonly #join: readonly string[];

  private constructor(pid: number, holder: ChildProcess, join: readonly string[]) {
    this.pid = pid;
    this.#join = join;
    this.shells = new Shells(this.enter());
    this.#holder = holder;
  }

  /**
   * @param prepare shell commands of the first process, ending with what it is given
   * @param options.third a file to open as its descriptor 3
   * @param options.join words before every command that comes in later
   */
  static async create(
    flags: readonly string[],
    prepare: (then: string) => string,
    { third = '/dev/null', join = [] }: { readonly third?: string; readonly join?: readonly string[] },
  ): Promise<Namespaces> {
    const script = prepare('echo ready; sleep infinity & wait');
    // The death signal reaches the holder also when the test process is killed itself (prctl(2), PR_SET_PDEATHSIG).
    const opened = openSync(third, 'r');
    const holder = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...flags, '--kill-child', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit', opened],
    });
    closeSync(opened);
    await new Promise<void>((resolve, reject) => {
      holder.once('exit', (code) => reject(new Error(`unshare ended with ${code}; are you root?`)));
      holder.stdout?.once('data', () => resolve());
    });
    const children = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').trim();
    return new Namespaces(Number(children.split(' ')[0]), holder, join);
  }

  enter(): string[] {
    return ['nsenter', '-t', String(this.pid), '-n', '-m', '-p', '-i', '-u', '-C', '--', ...this.#join];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _shells = this.shells;
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#holder.once('exit', resolve));
    this.#holder.kill('SIGKILL');
    await ended;
    await eventually(`process ${this.pid} is gone`, () => !isAlive(this.pid));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function start(command: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const [program = '', ...rest] = command;
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  // One that ended early says so by its end; what was still to be written to it is no error of its own.
  child.stdin?.on('error', () => undefined);
  return child;
}

/** Shell: one process for all that is to be told to ip. */
function batch(commands: string): string {
  return `ip -batch - <<END\n${commands}\nEND\n`;
}

function succeeded(what: string, finished: Finished): string {
  if (finished.code === 0) return finished.stdout.replace(/\n$/, '');
  throw new Error(`"${what}" ended with ${finished.code}: ${finished.stderr || finished.stdout}`);
}
