import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** One line a test file: what came of it and how long it took. */
export default async function* files(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== 'test:summary' || event.data.file === undefined) continue;
    const { file, success, counts, duration_ms: took } = event.data;
    const name = relative(process.cwd(), file);
    yield `${success ? 'ok    ' : 'FAILED'} ${name}: ${counts.passed} of ${counts.tests} tests, ${Math.round(took / 1000)} s\n`;
  }
}
