import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { containerOwners } from './tar-owners.ts';

const folder = mkdtempSync(join(tmpdir(), 'fairway-owners-'));
after(() => rmSync(folder, { recursive: true }));

/** A tar of two files, whose owners it names. */
function tarOf(uid: number, ...options: readonly string[]): Buffer {
  const name = join(folder, 'x.tar');
  const script = `cd ${folder}; mkdir -p d; seq 2000 > d/file; ln -sf file d/link`;
  execFileSync('sh', ['-c', script]);
  execFileSync('tar', ['-C', folder, '-cf', name, ...options, `--owner=:${uid}`, `--group=:${uid + 1}`, 'd']);
  return readFileSync(name);
}

async function mapped(tar: Buffer, first: number, chunk: number): Promise<Buffer> {
  const ranges = [{ container: 0, host: first, size: 65_536 }];
  const pieces: Buffer[] = [];
  for (let at = 0; at < tar.length; at += chunk) pieces.push(tar.subarray(at, at + chunk));
  const source = (async function* () {
    yield* pieces;
  })();
  return Buffer.concat(await Array.fromAsync(containerOwners(source, { uids: ranges, gids: ranges })));
}

function listing(tar: Buffer): string[] {
  const lines = execFileSync('tar', ['-t', '-v', '--numeric-owner'], { input: tar }).toString().trim().split('\n');
  return lines.map((line) => line.replace(/\s+/g, ' ').split(' ').slice(1, 3).join(' '));
}

test('owners in headers and in pax records become the container’s; what lies in the files stays', async () => {
  for (const first of [100_000, 3_000_000]) {
    const tar = tarOf(first + 1000, '--format=pax', '--pax-option=comment:=kept');
    for (const chunk of [1, 700, 1 << 20]) {
      const result = await mapped(tar, first, chunk);
      assert.deepEqual(listing(result), ['1000/1001 0', '1000/1001 8893', '1000/1001 0'], `${first}, ${chunk}`);
      const content = execFileSync('tar', ['-xO', 'd/file'], { input: result }).toString();
      assert.equal(content, readFileSync(join(folder, 'd/file'), 'utf8'));
    }
  }
});

test('GNU’s binary numbers are read, too; whoever is not the container’s becomes nobody', async () => {
  assert.deepEqual(listing(await mapped(tarOf(3_000_007, '--format=gnu'), 3_000_000, 512))[1], '7/8 8893');
  assert.deepEqual(listing(await mapped(tarOf(5, '--format=gnu'), 100_000, 512))[1], '65534/65534 8893');
});

test('a layer that ends in the middle is told', async () => {
  await assert.rejects(mapped(tarOf(100_000).subarray(0, 3000), 100_000, 512), /ends in the middle of a file/);
});
