import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderProgress, renderStreamError } from './progress.ts';

/** Lines of Docker 20.10, byte for byte. */
test('lines are Docker’s', () => {
  assert.equal(
    renderProgress({ status: 'Pulling from h5img', id: '1' }),
    '{"status":"Pulling from h5img","id":"1"}\r\n',
  );
  assert.equal(
    renderProgress({ status: 'Pull complete', id: 'aa7f88968246', detail: {} }),
    '{"status":"Pull complete","progressDetail":{},"id":"aa7f88968246"}\r\n',
  );
  assert.equal(
    renderProgress({ status: 'Pushing', id: '4777e860c96e', detail: { current: 19968, total: 1984172 } }),
    '{"status":"Pushing","progressDetail":{"current":19968,"total":1984172},' +
      '"progress":"[>                                                  ]  19.97kB/1.984MB","id":"4777e860c96e"}\r\n',
  );
  const aux = { Tag: '1', Digest: 'sha256:1', Size: 735 };
  assert.equal(
    renderProgress({ detail: {}, aux }),
    '{"progressDetail":{},"aux":{"Tag":"1","Digest":"sha256:1","Size":735}}\r\n',
  );
  assert.equal(renderStreamError('denied'), '{"errorDetail":{"message":"denied"},"error":"denied"}\r\n');
});

test('bars as Docker draws them', () => {
  const bar = (current: number, total: number) =>
    (JSON.parse(renderProgress({ status: 'x', detail: { current, total } })) as { progress?: string }).progress;
  assert.equal(bar(161, 161), '[==================================================>]     161B/161B');
  assert.equal(bar(1514496, 1984172), '[======================================>            ]  1.514MB/1.984MB');
  assert.equal(bar(2129920, 1984172), '[==================================================>]   2.13MB');
  assert.equal(bar(3072, 3), '[==================================================>]  3.072kB');
  assert.equal(bar(512, 0), '    512B');
  assert.equal(bar(0, 0), undefined);
});
