import assert from 'node:assert/strict';
import { test } from 'node:test';
import { image as sample } from '../../../test/api/samples.ts';
import type { Image } from '../../model/image.ts';
import { parseFilters } from '../parse/filters.ts';
import { selectImages } from './images.ts';

const image: Image = { ...sample, tags: ['web:latest', 'web:1', 'registry.example/team/db:1'] };

test('a pattern leaves an image the names it speaks of', () => {
  const named = (reference: string) => {
    const filters = parseFilters(JSON.stringify({ reference: [reference] }));
    return selectImages([image], filters, { before: [], since: [] }, 0).map(({ tags }) => tags);
  };
  assert.deepEqual(named('web'), [['web:latest', 'web:1']]);
  assert.deepEqual(named('web:1'), [['web:1']]);
  assert.deepEqual(named('registry.example/*/db'), [['registry.example/team/db:1']]);
  assert.deepEqual(named('*'), [['web:latest', 'web:1']]);
  assert.deepEqual(named('nosuch'), []);
});

test('of several moments each holds', () => {
  const made = (second: number) => ({ ...image, created: new Date(second * 1000).toISOString() });
  const until = (...moments: readonly string[]) => {
    const filters = parseFilters(JSON.stringify({ until: moments }));
    return selectImages([made(3), made(2), made(1)], filters, { before: [], since: [] }, 0).length;
  };
  assert.deepEqual([until('4'), until('3'), until('2', '3'), until('3', '2')], [3, 2, 1, 1]);
});
