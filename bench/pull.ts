import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type BuiltLayer, image, layer } from '../test/oci.ts';
import { TestRegistry } from '../test/registry.ts';
import { type Paired, paired } from './measure.ts';
import { docker, type Peer } from './peer.ts';

const PORT = 5000;
const NAME = `127.0.0.1:${PORT}/bench/hundred`;
const LAYERS = 4;
/** Bytes of each: LAYERS of them are 100 MB */
const LAYER = 25_000_000;

/** `docker pull` of an image of 100 MB in four layers from a registry on the same machine; both pull the same bytes. */
export async function pulls(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<Paired> {
  const registry = await TestRegistry.start(ours.host, { port: PORT });
  await registry.putImage('bench/hundred', '1', image(await bigLayers()));
  if (theirs !== undefined) {
    const data = '/run/registry-5000';
    execFileSync('cp', ['-a', ours.host.path(data), theirs.host.path('/run/')]);
    await TestRegistry.start(theirs.host, { port: PORT });
  }
  const work = (peer: Peer) => async () => {
    await docker(peer, 'pull', '-q', `${NAME}:1`);
  };
  const clear = async (peer: Peer | undefined) => {
    if (peer !== undefined) await docker(peer, 'rmi', `${NAME}:1`);
  };
  const measured = await paired(
    'docker pull of 100 MB, 4 layers, loopback',
    work(ours),
    theirs && work(theirs),
    rounds,
    1,
    async () => {
      await clear(ours);
      await clear(theirs);
    },
  );
  return measured;
}

/** Layers of LAYER bytes of what real images hold: this machine's own programs, libraries and texts. */
function bigLayers(): Promise<BuiltLayer[]> {
  const found = execFileSync('find', ['/usr/bin', '/usr/lib', '-type', 'f', '-size', '+16k'], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const paths = found.trim().split('\n').sort();
  const files = paths.values();
  return Promise.all(
    Array.from({ length: LAYERS }, () => {
      const chosen: Record<string, Buffer> = {};
      for (let size = 0; size < LAYER; ) {
        const next = files.next();
        if (next.done === true) throw new Error('this machine has less than 100 MB below /usr');
        const content = readFileSync(next.value).subarray(0, LAYER - size);
        chosen[next.value.slice(1)] = content;
        size += content.length;
      }
      return layer(chosen);
    }),
  );
}
