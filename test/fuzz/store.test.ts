import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from './random.ts';
import { DamagedStores } from './store-damage.ts';

/** The long form is `npm run test:soak`. */
const CASES = 150;

test('a damaged store is refused by name, or holds what it held; its file stays', () => {
  using stores = new DamagedStores();
  const random = new Random(1);
  const refused = Array.from({ length: CASES }, () => stores.try(random)).filter(Boolean).length;
  assert.ok(refused > 0 && refused < CASES, `${refused} of ${CASES} were refused: nothing was tried`);
});
