import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { image, layer } from '../test/oci.ts';
import { TestRegistry } from '../test/registry.ts';
import { type Paired, paired } from './measure.ts';
import { docker, type Peer } from './peer.ts';

const PORT = 5000;
const NAME = `127.0.0.1:${PORT}/bench/hundred`;
const LAYERS = 4;
const FILES = 250;
/** Bytes of a file: LAYERS × FILES of them are 100 MB */
const FILE_SIZE = 100_000;

/** `docker pull` of an image of 100 MB in four layers from a registry on the same machine; both pull the same bytes. */
export async function pulls(ours: Peer, theirs: Peer | undefined, rounds: number): Promise<Paired> {
  const registry = await TestRegistry.start(ours.host, { port: PORT });
  await registry.putImage('bench/hundred', '1', image(await Promise.all(Array.from({ length: LAYERS }, bigLayer))));
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

/** Files of which a third is noise, as programs are: gzip makes about half of them. */
function bigLayer(_: unknown, number: number) {
  const files = Array.from({ length: FILES }, (_each, file): [string, Buffer] => {
    const noise = randomBytes(FILE_SIZE / 4);
    return [
      `layer${number}/file${file}`,
      Buffer.concat([noise, Buffer.from(noise.toString('hex')), noise.subarray(0, FILE_SIZE / 4)]),
    ];
  });
  return layer(Object.fromEntries(files));
}
