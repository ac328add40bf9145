import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/** A reporter for machines: one JSON line for each test that ran and passed, with its file, its title and its duration in ms. */
export default async function* ran(source: AsyncIterable<TestEvent> | Iterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass') continue;
    const { name, file = '', skip, todo, details } = event.data;
    if (skip !== undefined || todo !== undefined) continue;
    yield `${JSON.stringify({ file: relative(process.cwd(), file), title: name, ms: Math.round(details.duration_ms) })}\n`;
  }
}
