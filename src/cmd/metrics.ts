import { once } from 'node:events';
import type { Server } from 'node:http';
import { cpus, totalmem } from 'node:os';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Served } from '../api/server.ts';
import type { UpstreamStatistics } from '../dns/server.ts';
import type { Engine } from '../engine/engine.ts';
import { http } from '../model/http.ts';

/** Docker's buckets of a container's actions, and ours of the reconciler's steps. Seconds */
const ACTION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const STEP_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1];

/** What Docker calls an action of a container. */
const ACTIONS: Readonly<Record<string, string>> = {
  'POST /containers/create': 'create',
  'POST /containers/{*}/start': 'start',
  'DELETE /containers/{*}': 'delete',
  'GET /containers/{*}/changes': 'changes',
  'POST /commit': 'commit',
};

export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Figures for Prometheus at `/metrics`. Where Docker has the same figure, it has Docker's name. Made only for who asks for it: this
 * file is loaded with the flag, and with it the library.
 */
export class Metrics implements AsyncDisposable {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'fairway_api_requests_total',
    help: 'Requests to the API by route and status',
    labelNames: ['route', 'code'],
    registers: [this.#registry],
  });
  readonly #actions = new Histogram({
    name: 'engine_daemon_container_actions_seconds',
    help: 'The number of seconds it takes to process each container action',
    labelNames: ['action'],
    buckets: ACTION_BUCKETS,
    registers: [this.#registry],
  });
  readonly #steps = new Histogram({
    name: 'fairway_reconcile_seconds',
    help: 'How long the steps of making the kernel agree take',
    labelNames: ['step'],
    buckets: STEP_BUCKETS,
    registers: [this.#registry],
  });
  readonly #ending = new AbortController();
  #server: Server | undefined;

  /** For ApiServer. */
  readonly served = ({ route, status, seconds }: Served): void => {
    this.#requests.inc({ route, code: status });
    const action = ACTIONS[route];
    if (action !== undefined && status < 400) this.#actions.observe({ action }, seconds);
  };

  /** For the engine. */
  readonly step = (step: string, milliseconds: number): void => {
    this.#steps.observe({ step }, milliseconds / 1000);
  };

  /** @throws Error as listen(2) says */
  async serve(engine: Engine, { host, port }: MetricsAddress): Promise<void> {
    this.#describe(engine);
    void this.#countEvents(engine);
    collectDefaultMetrics({ register: this.#registry });
    const server = http().createServer(async (request, response) => {
      if (request.method !== 'GET' || request.url !== '/metrics') {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, { 'Content-Type': this.#registry.contentType }).end(await this.#registry.metrics());
    });
    this.#server = server;
    server.listen(port, host);
    await once(server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  /** What is read when it is asked for. */
  #describe({ system }: Engine): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, value: number) => new Gauge({ name, help, registers }).set(value);
    gauge('engine_daemon_engine_cpus_cpus', 'The number of cpus that the host system of the engine has', cpus().length);
    gauge('engine_daemon_engine_memory_bytes', 'The number of bytes of memory of the host system', totalmem());
    const read = (name: string, help: string, label: string, values: () => Readonly<Record<string, number>>) => {
      const collect = function (this: Gauge): void {
        for (const [value, count] of Object.entries(values())) this.set({ [label]: value }, count);
      };
      new Gauge({ name, help, labelNames: [label], registers, collect });
    };
    const states = 'engine_daemon_container_states_containers';
    read(states, 'The count of containers in various states', 'state', () => ({ ...system.counters().containers }));
    const counter = (name: string, help: string, label: string, values: () => Readonly<Record<string, number>>) => {
      const collect = function (this: Counter): void {
        this.reset();
        for (const [value, count] of Object.entries(values())) this.inc({ [label]: value }, count);
      };
      new Counter({ name, help, labelNames: [label], registers, collect });
    };
    counter('fairway_dns_questions_total', 'Questions containers asked, by what became of them', 'result', () => {
      const { questions: _all, upstreams: _servers, ...results } = system.counters().dns;
      return results;
    });
    const upstreams = (value: (server: UpstreamStatistics) => number | undefined) => () =>
      Object.fromEntries(
        system.counters().dns.upstreams.flatMap((one) => {
          const number = one.from === 'host' ? value(one) : undefined;
          return number === undefined ? [] : [[one.server, number]];
        }),
      );
    const asked = upstreams(({ asked }) => asked);
    counter('fairway_dns_upstream_questions_total', 'Questions the host’s name servers were asked', 'server', asked);
    const failed = upstreams(({ failed }) => failed);
    counter('fairway_dns_upstream_failures_total', 'Those they did not answer, or with an error', 'server', failed);
    const latency = upstreams(({ latency }) => latency && latency / 1_000);
    read('fairway_dns_upstream_latency_seconds', 'How long they take, smoothed', 'server', latency);
    const healthy = upstreams((server) => Number(server.healthy));
    read('fairway_dns_upstream_healthy', 'Whether they answer: 1 or 0', 'server', healthy);
    const drops = 'fairway_firewall_dropped_packets_total';
    counter(drops, 'Packets the firewall dropped, by the reason', 'reason', () => system.counters().drops);
    counter('fairway_repairs_total', 'What others changed in the kernel and was mended', 'kind', () => {
      return system.counters().repairs;
    });
    read('fairway_contested_resources', 'What somebody undoes again and again, or cannot be mended', 'by', () => ({
      others: system.counters().contested,
    }));
    read('engine_daemon_events_subscribers_total', 'The number of current subscribers to events', 'kind', () => ({
      // One of them is this very count.
      api: system.counters().eventListeners - 1,
    }));
  }

  async #countEvents({ events }: Engine): Promise<void> {
    const registers = [this.#registry];
    const all = new Counter({ name: 'engine_daemon_events_total', help: 'The number of events logged', registers });
    const starts = new Counter({
      name: 'fairway_container_starts_total',
      help: 'Containers that were started, by users and by their restart policies',
      registers,
    });
    for await (const { type, action } of events.subscribe({ signal: this.#ending.signal })) {
      all.inc();
      if (type === 'container' && action === 'start') starts.inc();
    }
  }
}
