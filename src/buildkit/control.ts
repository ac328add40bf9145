import { randomUUID } from 'node:crypto';
import type { LayerUsage } from '../engine/builds.ts';
import { GrpcError } from '../grpc/error.ts';
import { type Answering, implement, type Served } from '../grpc/server.ts';
import { Tunnel } from '../grpc/tunnel.ts';
import { type BuildsSurface, build, type ClientContext } from './build.ts';
import { returnedError } from './failure.ts';
import { type Job, Jobs } from './jobs.ts';
import { type FrontendOptions, parseOptions, refuseOtherFrontend, unsupported } from './options.ts';
import {
  type Attributes,
  controlService,
  healthService,
  type PruneRequest,
  type SolveRequest,
  timestamp,
  type UsageRecord,
  type WorkerRecord,
} from './protos/control.ts';
import { definitionOf, resultOf } from './protos/definition.ts';
import { type GatewaySolveRequest, gatewayService } from './protos/gateway.ts';
import type { Sessions } from './session.ts';
import { sessionHeaders } from './session-headers.ts';

/** Names a build in calls about it (buildkit, client/buildid). */
const BUILD_ID = 'buildkit-controlapi-buildid';
/** What LLBBridge answers of (buildkit, frontend/gateway/pb/caps.go). */
const CAPABILITIES = [
  'solve.base',
  'return',
  'returnmap',
  'proto.refarray',
  'gateway.evaluate',
  'gateway.solve.evaluate',
  'reference.output',
];
const SERVING = 1;
/** What was built may still be a context of another build of the same client for this long, in ms. */
const MEMORY = 60_000;
const NOTHING = { definition: undefined, frontendInputs: [], evaluate: true };
/** Clients replace "host-gateway" by what this label of a worker says (moby, builder-next/worker/label). */
const HOST_GATEWAY = 'org.mobyproject.buildkit.worker.moby.host-gateway-ip';

export interface ControlOptions {
  readonly builds: BuildsSurface;
  readonly sessions: Sessions;
  /** Of Fairway */
  readonly version: string;
  /** This machine's: "linux/amd64" */
  readonly platform: string;
}

/** BuildKit's control API, and of its gateway what a client needs to have a Dockerfile built. */
export class Control {
  readonly #options: ControlOptions;
  readonly #jobs = new Jobs();
  /** Images that clients have asked for, by the names they were told; each is built when it is needed, once */
  readonly #results = new Map<string, () => Promise<string>>();
  /** Clients keep what they know of a worker under it */
  readonly #workerId = randomUUID().replaceAll('-', '');

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  served(): Served {
    const control = implement(controlService, {
      info: () => ({ buildkitVersion: this.#version }),
      listWorkers: () => ({ record: [this.#worker] }),
      diskUsage: async ({ filter }) => {
        if (filter.some((text) => text !== '')) throw unsupported('--filter');
        return { record: (await this.#options.builds.usage()).map(usageRecord) };
      },
      solve: (request, call) => this.#solve(request, call),
      status: ({ ref }, { signal }) => this.#status(ref, signal),
      prune: (request) => this.#prune(request),
      session: (chunks, call) => this.#session(chunks, call),
    });
    const gateway = implement(gatewayService, {
      ping: () => ({
        frontendCapabilities: CAPABILITIES.map((id) => ({ id, enabled: true })),
        workers: [this.#worker],
      }),
      solve: async (request, call) => {
        const id = this.#promise(await this.#job(call), request);
        return { result: { ref: { id, definition: definitionOf(id) } } };
      },
      evaluate: async ({ ref }) => {
        await this.#find(ref);
        return {};
      },
      return: async (request, call) => {
        (await this.#job(call)).return(request);
        return {};
      },
    });
    const health = implement(healthService, { check: () => ({ status: SERVING }) });
    return new Map([...control, ...gateway, ...health]);
  }

  get #version() {
    return { package: 'fairway', version: this.#options.version, revision: '' };
  }

  get #worker(): WorkerRecord {
    const [os = '', architecture = ''] = this.#options.platform.split('/');
    const gateway = this.#options.builds.hostGateway();
    const labels = gateway === undefined ? {} : { [HOST_GATEWAY]: gateway };
    return { id: this.#workerId, labels, platforms: [{ os, architecture }], buildkitVersion: this.#version };
  }

  /** The build a call is about. */
  #job({ metadata, signal }: Answering): Promise<Job> {
    return this.#jobs.find(String(metadata[BUILD_ID] ?? ''), signal);
  }

  /** @returns when the client has been told all, or does not listen any more */
  async *#status(ref: string, signal: AbortSignal) {
    const { progress } = await this.#jobs.find(ref, signal);
    yield* progress.read(signal);
  }

  /** A session that comes within a call, as that of several builds does. */
  async *#session(chunks: AsyncGenerator<{ readonly data: Buffer }>, { metadata, signal }: Answering) {
    const connection = new Tunnel(dataOf(chunks));
    signal.addEventListener('abort', () => connection.destroy(), { once: true });
    const headers = sessionHeaders((name) => String(metadata[name] ?? ''));
    const serving = this.#options.sessions.serve(headers, connection);
    // It is waited for below, when everything was sent; until then nobody listens.
    serving.catch(() => connection.destroy());
    try {
      for await (const data of connection.outgoing()) yield { data };
    } finally {
      connection.destroy();
    }
    await serving;
  }

  async #solve(request: SolveRequest, { signal }: Answering) {
    const job = this.#jobs.open(request, signal);
    try {
      if (request.definition !== undefined) throw unsupported('a build of LLB');
      const { frontend, frontendAttributes: frontendOptions } = request;
      const ref = frontend === '' ? await wanted(job) : this.#promise(job, { frontend, frontendOptions, ...NOTHING });
      if (ref === '') return {};
      return { exporterResponse: answerOf(await this.#find(ref), exportersOf(request)) };
    } finally {
      this.#jobs.close(job);
    }
  }

  /** Notes what is to be built: it is when the client wants it. @returns its name */
  #promise(job: Job, { frontend, frontendOptions, definition, frontendInputs }: GatewaySolveRequest): string {
    const { builds, sessions, platform } = this.#options;
    let building: Promise<string> | undefined;
    const begin = async () => {
      if (definition !== undefined && frontend === '') throw unsupported('a build of LLB');
      if (frontend !== 'dockerfile.v0') refuseOtherFrontend(frontendOptions['source'] ?? frontend);
      const { request, progress, signal } = job;
      const cache = request.cache?.exports ?? [];
      const options = parseOptions(frontendOptions, { exporters: exportersOf(request), cache, platform });
      const contexts = await this.#contexts(options.contexts, frontendInputs);
      return build(builds, sessions, { options, contexts, session: request.session, progress, signal });
    };
    const ref = randomUUID();
    this.#results.set(ref, () => {
      building ??= begin();
      return building;
    });
    job.progress.whenOver(() => setTimeout(() => this.#results.delete(ref), MEMORY).unref());
    return ref;
  }

  /** Waits for what other builds make. */
  async #contexts(options: FrontendOptions['contexts'], inputs: GatewaySolveRequest['frontendInputs']) {
    const given = new Map(inputs.map(({ key, value }) => [key, value]));
    const contexts = new Map<string, ClientContext>();
    for (const [name, option] of options) {
      if (option.kind !== 'result') contexts.set(name, option);
      else {
        const definition = given.get(option.input);
        const result = definition === undefined ? undefined : resultOf(definition);
        if (result === undefined) throw unsupported(`--build-context ${name} made of LLB`);
        contexts.set(name, { kind: 'image', reference: await this.#find(result) });
      }
    }
    return contexts;
  }

  /** @returns the image's id @throws SolveError */
  async #find(ref: string): Promise<string> {
    const result = this.#results.get(ref);
    if (result === undefined) throw new GrpcError('NOT_FOUND', 'Solve', `no such result ${ref}`);
    return result();
  }

  async *#prune(request: PruneRequest): AsyncGenerator<UsageRecord> {
    const { filter, keepDuration, reservedSpace, maxUsedSpace, minFreeSpace } = request;
    if (filter.some((text) => text !== '') || keepDuration !== 0) throw unsupported('--filter');
    if (reservedSpace + maxUsedSpace + minFreeSpace !== 0) throw unsupported('to prune a part of the cache');
    for (const layer of await this.#options.builds.prune()) yield usageRecord(layer);
  }
}

async function* dataOf(chunks: AsyncIterable<{ readonly data: Buffer }>): AsyncGenerator<Buffer> {
  for await (const { data } of chunks) yield data;
}

/** Waits for what the client makes of it. @returns its name; '': nothing @throws GrpcError when it gave up */
async function wanted(job: Job): Promise<string> {
  const { promise: gone, reject } = Promise.withResolvers<never>();
  const leave = () => reject(new GrpcError('CANCELLED', 'Solve', 'context canceled'));
  job.signal.addEventListener('abort', leave, { once: true });
  if (job.signal.aborted) leave();
  const { result, error } = await Promise.race([job.returned, gone]);
  if (error !== undefined) throw returnedError(error);
  if (result?.refs !== undefined) throw unsupported('an image for several platforms');
  return result?.ref?.id ?? '';
}

/** Older clients name one, which newer ones name twice. */
function exportersOf({ exporters, exporter, exporterAttributes }: SolveRequest): readonly Attributes[] {
  if (exporters.length > 0 || exporter === '') return exporters;
  return [{ type: exporter, attributes: exporterAttributes }];
}

/** As dockerd's own store answers (moby, builder-next/exporter): the image's id is its configuration's digest. */
function answerOf(id: string, exporters: readonly Attributes[]): Record<string, string> {
  const name = exporters[0]?.attributes['name'] ?? '';
  return {
    'containerimage.config.digest': id,
    'containerimage.digest': id,
    ...(name === '' ? {} : { 'image.name': name }),
  };
}

function usageRecord({ id, parent, created, size }: LayerUsage): UsageRecord {
  return {
    id,
    size,
    createdAt: timestamp(Date.parse(created) || 0),
    description: 'layer of a build',
    recordType: 'regular',
    ...(parent === '' ? {} : { parents: [parent] }),
  };
}
