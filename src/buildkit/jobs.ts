import { GrpcError } from '../grpc/error.ts';
import { Arrivals } from './arrivals.ts';
import { Progress } from './progress.ts';
import type { SolveRequest } from './protos/control.ts';
import type { ReturnRequest } from './protos/gateway.ts';

/** What belongs together may come in any order: a client's calls wait for their build for this long, in ms. */
const PATIENCE = 10_000;
/** And a build that is over before anybody has asked how it goes is remembered for this long, in ms. */
const MEMORY = 5_000;

/** One build, from the client's request for it to the answer. */
export class Job {
  readonly ref: string;
  readonly request: SolveRequest;
  /** Aborted when the client no longer waits */
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** What the client wants kept */
  readonly returned: Promise<ReturnRequest>;
  readonly #return: (request: ReturnRequest) => void;

  constructor(request: SolveRequest, signal: AbortSignal) {
    this.ref = request.ref;
    this.request = request;
    this.signal = signal;
    this.progress = new Progress(this.ref);
    const { promise, resolve } = Promise.withResolvers<ReturnRequest>();
    this.returned = promise;
    this.#return = resolve;
  }

  return(request: ReturnRequest): void {
    this.#return(request);
  }
}

/** All builds that clients wait for. */
export class Jobs {
  readonly #open = new Arrivals<Job>(PATIENCE);

  /** @throws GrpcError when there is one of this name */
  open(request: SolveRequest, signal: AbortSignal): Job {
    const { ref } = request;
    if (ref === '' || this.#open.has(ref)) throw new GrpcError('ALREADY_EXISTS', 'Solve', `job ID ${ref} exists`);
    const job = new Job(request, signal);
    this.#open.add(ref, job);
    return job;
  }

  /** The build is over. Whoever asks how it went may come late, and hears all of it. */
  close(job: Job): void {
    job.progress.end();
    setTimeout(() => this.#open.remove(job.ref), job.progress.wasRead ? 0 : MEMORY).unref();
  }

  /** @throws GrpcError when none of this name comes in time */
  async find(ref: string, signal: AbortSignal): Promise<Job> {
    const job = await this.#open.find(ref, signal);
    if (job === undefined) throw new GrpcError('NOT_FOUND', ref, `no such job ${ref}`);
    return job;
  }
}
