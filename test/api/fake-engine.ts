import { PassThrough, Readable } from 'node:stream';
import type { EngineSurface } from '../../src/api/surface.ts';
import type { Attachment, OutputListener, OutputStream } from '../../src/engine/attachment.ts';
import { Events } from '../../src/engine/events.ts';
import type { ExecView } from '../../src/engine/requests.ts';
import { EngineError } from '../../src/model/errors.ts';
import { containerView, history, image, info, networkView, version, volumeView } from './samples.ts';

/** A process the test plays: what the server hears of it is what the test says. */
export class FakeProcess implements Attachment {
  readonly tty: boolean;
  readonly stdin = new PassThrough();
  readonly #ended = Promise.withResolvers<void>();
  readonly listeners = new Set<OutputListener>();
  readonly #subscribed = Promise.withResolvers<void>();

  constructor(tty = false) {
    this.tty = tty;
  }

  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Fulfilled when a client listens. */
  get subscribed(): Promise<void> {
    return this.#subscribed.promise;
  }

  subscribe(listener: OutputListener): () => void {
    this.listeners.add(listener);
    this.#subscribed.resolve();
    return () => this.listeners.delete(listener);
  }

  async say(stream: OutputStream, text: string | Buffer): Promise<void> {
    await Promise.all([...this.listeners].map((listener) => listener(stream, Buffer.from(text))));
  }

  end(): void {
    this.#ended.resolve();
  }
}

/** What the server asked of the engine: "networks.connect", and with what. */
export interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
}

/** The engine's surface with one container, one network and one image; every call is written down. */
export class FakeEngine {
  readonly calls: Call[] = [];
  readonly events = new Events();
  readonly process: FakeProcess;
  createError: Error | undefined;
  execError: Error | undefined;
  stdinOnce = true;
  readonly exit = Promise.withResolvers<{ code: number; error?: string }>();

  constructor(process: FakeProcess) {
    this.process = process;
  }

  get surface(): EngineSurface {
    return {
      containers: this.#containers(),
      networks: this.#networks(),
      images: this.#images(),
      archives: this.#archives(),
      volumes: this.#volumes(),
      registries: this.#registries(),
      builds: {
        build: async () => this.#unused('build'),
        hostGateway: () => undefined,
        usage: async () => [],
        prune: async () => [],
        close: async () => undefined,
      },
      attachments: {
        link: async () => this.#unused('link'),
        attach: async () => this.#unused('attach'),
        detach: async () => this.#unused('detach'),
        list: () => [],
      },
      execs: this.#execs(),
      events: this.events,
      system: {
        info: async () => info,
        counters: () => ({
          containers: info.containers,
          repairs: {},
          contested: 0,
          drops: {},
          dns: { questions: 0, answered: 0, cached: 0, forwarded: 0, failed: 0, refused: 0, upstreams: [] },
          eventListeners: 0,
        }),
        version: async () => version,
        status: () => this.#unused('status'),
        reload: () => this.#unused('reload'),
        exposure: () => [],
        plan: () => [{ action: 'create', resource: 'link host docker0', because: 'it is missing' }],
        diskUsage: async () => ({ total: image.size, shared: new Map() }),
      },
    };
  }

  #note<T>(name: string, args: readonly unknown[], result: T): T {
    this.calls.push({ name, args });
    return result;
  }

  #unused(name: string): never {
    throw new EngineError('internal', `${name} is not played here`);
  }

  #find(reference: string) {
    if (!['h5web', containerView.container.id].includes(reference)) {
      throw new EngineError('notFound', `No such container: ${reference}`);
    }
    const { container } = containerView;
    const { process, stdinOnce } = this;
    return { ...containerView, container: { ...container, spec: { ...container.spec, tty: process.tty, stdinOnce } } };
  }

  #containers(): EngineSurface['containers'] {
    const noted =
      (name: string) =>
      async (...args: unknown[]): Promise<void> =>
        this.#note(name, args, undefined);
    return {
      create: async (...args) => {
        if (this.createError !== undefined) throw this.createError;
        return this.#note('create', args, { id: 'c'.repeat(64), warnings: [] });
      },
      find: (reference) => this.#find(reference),
      list: () => [containerView],
      isTty: (reference) => this.#find(reference).container.spec.tty,
      start: async (reference) => {
        this.calls.push({ name: 'start', args: [reference] });
        throw new EngineError('notModified', 'it runs already');
      },
      stop: noted('stop'),
      restart: noted('restart'),
      kill: noted('kill'),
      pause: noted('pause'),
      unpause: noted('unpause'),
      update: async () => [],
      rename: noted('rename'),
      addPorts: noted('addPorts'),
      removePorts: noted('removePorts'),
      commit: async (...args) => this.#note('commit', args, `sha256:${'e'.repeat(64)}`),
      remove: noted('remove'),
      wait: () => this.exit.promise,
      attach: async (...args) => this.#note('attach', args, this.process),
      resize: noted('resize'),
      logs: (...args) => this.#note('logs', args, logRecords()),
      stats: (reference) => ({ container: this.#find(reference).container }),
      followStats: async function* () {},
      top: async () => ({ titles: ['PID'], processes: [['1']] }),
      prune: async (...args) => this.#note('prune', args, { deleted: [], reclaimed: 0 }),
    };
  }

  #networks(): EngineSurface['networks'] {
    return {
      create: async (...args) => this.#note('network create', args, { id: 'd'.repeat(64), warning: '' }),
      find: (reference) => this.#note('network find', [reference], networkView),
      list: () => [networkView],
      remove: async (...args) => this.#note('network remove', args, undefined),
      connect: async (...args) => this.#note('connect', args, undefined),
      disconnect: async (...args) => this.#note('disconnect', args, undefined),
      prune: async () => ({ deleted: ['h5net'], reclaimed: 0 }),
      planRenumber: () => this.#unused('planRenumber'),
      renumber: () => this.#unused('renumber'),
    };
  }

  #archives(): EngineSurface['archives'] {
    const stat = { name: 'x', size: 3, mode: 0o120777, modified: 1_795_224_217_000_000_005n, linkTarget: '/y' };
    return {
      stat: async (...args) => this.#note('stat', args, stat),
      read: async (...args) => this.#note('read', args, { stat, tar: Readable.from([Buffer.from('tar')]) }),
      write: async (...args) => {
        const [reference, path, tar, upload] = args;
        let size = 0;
        for await (const chunk of tar) size += (chunk as Buffer).length;
        this.#note('write', [reference, path, size, upload], undefined);
      },
      export: async () => Readable.from([Buffer.from('tar')]),
      changes: async () => [{ path: '/tmp/x', kind: 'added' }],
      sizes: async () => new Map(),
    };
  }

  #volumes(): EngineSurface['volumes'] {
    const find = (name: string) => {
      if (name !== 'h5vol') throw new EngineError('notFound', `get ${name}: no such volume`);
      return volumeView;
    };
    return {
      create: (...args) => this.#note('volume create', args, volumeView),
      find,
      list: () => [volumeView],
      remove: async (...args) => this.#note('volume remove', args, undefined),
      sizes: async () => new Map([['h5vol', 7]]),
      prune: async (...args) => this.#note('volume prune', args, { deleted: [], reclaimed: 0 }),
    };
  }

  #images(): EngineSurface['images'] {
    return {
      import: async (tar, request) => {
        let size = 0;
        for await (const chunk of tar) size += (chunk as Buffer).length;
        return this.#note('import', [size, request], image.id);
      },
      load: async (_tar, progress) => progress('Loaded image: busybox:latest\n'),
      save: (references) => this.#note('save', [references], Readable.from([Buffer.from('tar')])),
      list: async () => [image],
      find: async (reference) => this.#note('image find', [reference], image),
      history: async () => history,
      tag: async (...args) => this.#note('tag', args, undefined),
      remove: async (...args) => this.#note('image remove', args, [{ Untagged: 'busybox:latest' }]),
      prune: async () => ({ deleted: [], reclaimed: 0 }),
      containersOf: () => 1,
    };
  }

  #registries(): EngineSurface['registries'] {
    return {
      pull: async (request) => {
        this.calls.push({ name: 'pull', args: [request.image, request.tag, request.platform, request.auth] });
        request.progress({ status: 'Pulling from h5img', id: request.tag ?? 'latest' });
      },
      push: async (request) => {
        this.calls.push({ name: 'push', args: [request.image, request.tag, request.auth] });
        request.progress({ status: `The push refers to repository [${request.image}]` });
      },
      logIn: async (server, { auth }) => this.#note('login', [server, auth], 'refresh-token'),
      inspect: async (reference) =>
        this.#note('distribution', [reference], {
          mediaType: 'application/vnd.oci.image.index.v1+json',
          digest: image.id,
          size: 1,
          platforms: [{ os: 'linux', architecture: 'amd64', variant: '' }],
        }),
    };
  }

  #execs(): EngineSurface['execs'] {
    return {
      create: async (...args) => this.#note('exec create', args, { id: 'e1' }),
      start: async (...args) => {
        this.calls.push({ name: 'exec start', args });
        if (this.execError !== undefined) throw this.execError;
        return this.process;
      },
      resize: async (...args) => this.#note('exec resize', args, undefined),
      inspect: () => this.#exec(),
    };
  }

  #exec(): ExecView {
    const { tty } = this.process;
    return {
      id: 'e1',
      containerId: containerView.container.id,
      request: {
        command: ['sh', '-c', 'true'],
        tty,
        attachStdin: true,
        attachStdout: true,
        attachStderr: true,
        env: [],
        workingDirectory: '',
        user: '',
        privileged: false,
        detachKeys: '',
      },
      running: false,
      exitCode: 4,
      pid: 11821,
    };
  }
}

async function* logRecords() {
  yield { stream: 'stdout' as const, time: '2026-11-21T01:23:13.536996967Z', line: Buffer.from('out\n') };
  yield { stream: 'stderr' as const, time: '2026-11-21T01:23:14.5Z', line: Buffer.from('err\n') };
}
