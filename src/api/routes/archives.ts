import type { Readable } from 'node:stream';
import type { PathChange, PathStat } from '../../engine/archives.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { queryFlag } from '../parse/query.ts';
import { orNull } from '../render/list-form.ts';
import { renderPathStat } from '../render/path-stat.ts';
import type { Routes } from '../router.ts';
import { writeAll } from '../stream.ts';
import type { EngineSurface } from '../surface.ts';

const KIND_NUMBER: Readonly<Record<PathChange['kind'], number>> = { modified: 0, added: 1, deleted: 2 };

/** Containers' files: docker cp, diff, export. */
export function archiveRoutes({ archives }: EngineSurface): Routes {
  return {
    'HEAD /containers/{*}/archive': async (exchange) => {
      const stat = await archives.stat(exchange.parameter(), exchange.query.get('path') ?? '');
      return { status: 200, headers: statHeader(stat) };
    },
    'GET /containers/{*}/archive': async (exchange) => {
      const { stat, tar } = await archives.read(exchange.parameter(), exchange.query.get('path') ?? '');
      return send(exchange, tar, 'application/x-tar', statHeader(stat));
    },
    'PUT /containers/{*}/archive': async (exchange) => {
      const { query } = exchange;
      await archives.write(exchange.parameter(), query.get('path') ?? '', exchange.body, {
        keepTypes: queryFlag(query, 'noOverwriteDirNonDir'),
        ownedByUser: queryFlag(query, 'copyUIDGID'),
      });
      return { status: 200 };
    },
    'GET /containers/{*}/changes': async (exchange) => {
      const changes = await archives.changes(exchange.parameter());
      return { status: 200, body: orNull(changes.map(({ path, kind }) => ({ Path: path, Kind: KIND_NUMBER[kind] }))) };
    },
    'GET /containers/{*}/export': async (exchange) =>
      send(exchange, await archives.export(exchange.parameter()), 'application/octet-stream', {}),
  };
}

function statHeader(stat: PathStat): Record<string, string> {
  const text = JSON.stringify(renderPathStat(stat));
  return { 'X-Docker-Container-Path-Stat': Buffer.from(text).toString('base64') };
}

/** As fast as the client takes it; a client that goes ends the work. */
async function send(
  exchange: Exchange,
  tar: Readable,
  contentType: string,
  headers: Readonly<Record<string, string>>,
): Promise<Outcome> {
  try {
    const response = exchange.open(contentType, headers);
    for await (const chunk of tar) {
      if (exchange.signal.aborted) break;
      await writeAll(response, chunk as Buffer);
    }
    response.end();
  } finally {
    tar.destroy();
  }
  return 'answered';
}
