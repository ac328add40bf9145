import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredImage } from './catalog.ts';
import { parseConfig } from './config.ts';
import { findImage, isIdOf } from './find.ts';
import { parseReference } from './reference.ts';
import { selectImages } from './save.ts';

function image(hex: string, ...names: string[]): StoredImage {
  const id = `sha256:${hex.padEnd(64, '0')}`;
  const config = { mediaType: '', digest: id, size: 1 };
  return {
    id,
    target: { ...config, annotations: {} },
    content: { manifest: { config, layers: [] }, config: parseConfig({ rootfs: {} }), chains: [], layerSizes: [] },
    names: names.map((name) => parseReference(name)),
  };
}

const first = image('abc1', 'app:1', 'app:2');
const second = image('abc2', 'app:3', 'abc:latest');
const images = [first, second, image('dead')];

test('by name, id, and the beginning of an id; a name goes first', () => {
  assert.equal(findImage(images, 'app:2'), first);
  assert.equal(findImage(images, 'docker.io/library/app:3'), second);
  assert.equal(findImage(images, 'abc'), second);
  assert.equal(findImage(images, 'abc1'), first);
  assert.equal(findImage(images, 'sha256:abc1'), first);
  assert.equal(findImage(images, first.id), first);
  assert.equal(findImage(images, first.id.slice(7)), first);
  assert.equal(isIdOf(first, 'abc1'), true);
  assert.equal(isIdOf(second, 'abc'), false);
  assert.equal(isIdOf(first, 'app:1'), false);
});

test('what is missing, ambiguous or malformed is told apart', () => {
  const missing = (text: string, shown: string) =>
    assert.throws(() => findImage(images, text), { kind: 'notFound', message: `No such image: ${shown}` });
  missing('nginx', 'nginx:latest');
  missing('ghcr.io/a/b:1', 'ghcr.io/a/b:1');
  missing('f'.repeat(64), `sha256:${'f'.repeat(64)}`);
  missing('sha256:ff', 'sha256:ff');
  assert.throws(() => findImage(images, 'sha256:abc'), {
    kind: 'invalidArgument',
    message: 'multiple IDs found with provided prefix: sha256:abc',
  });
  assert.throws(() => findImage(images, 'A B'), { kind: 'invalidArgument' });
});

test('saving by repository, by tag and by id', () => {
  const saved = (...references: string[]) =>
    selectImages(images, references).map((one) => [one.image, one.names.map((name) => name.tag)]);
  assert.deepEqual(saved('app'), [
    [first, ['1', '2']],
    [second, ['3']],
  ]);
  assert.deepEqual(saved('app:2', 'app:1', 'app:2'), [[first, ['2', '1']]]);
  assert.deepEqual(saved('abc1', 'dead'), [
    [first, []],
    [images[2], []],
  ]);
  assert.throws(() => saved('app:9'), { kind: 'notFound' });
});
