import { chmodSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { BuildHooks } from './builder.ts';
import { neededAgents } from './needs.ts';
import type { BuildPlan } from './plan.ts';
import type { WorkFolder } from './work.ts';

/** Sockets of a client's SSH agents, for as long as a build takes. buildah asks them for the commands. */
export class Agents implements AsyncDisposable {
  readonly #servers: readonly Server[];
  /** Of `buildah build` */
  readonly flags: readonly string[];

  private constructor(servers: readonly Server[], flags: readonly string[]) {
    this.#servers = servers;
    this.flags = flags;
  }

  /** Those that the plan's commands have mounted and the client offers. */
  static async open(plan: BuildPlan, work: WorkFolder, hooks: BuildHooks): Promise<Agents> {
    const servers: Server[] = [];
    const flags: string[] = [];
    for (const [index, id] of neededAgents(plan).entries()) {
      const carry = await hooks.agent(id);
      if (carry === undefined) continue;
      const path = join(work.path, `agent-${index}`);
      servers.push(await listen(path, carry));
      chmodSync(path, 0o600);
      work.own(path);
      flags.push('--ssh', `${id}=${path}`);
    }
    return new Agents(servers, flags);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
  }
}

async function listen(path: string, carry: NonNullable<Awaited<ReturnType<BuildHooks['agent']>>>): Promise<Server> {
  const server = createServer(carry);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}
