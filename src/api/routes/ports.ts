import { Fields } from '../parse/fields.ts';
import { parsePortSpec } from '../parse/port-spec.ts';
import type { Routes } from '../router.ts';
import { invalid } from '../status.ts';
import type { EngineSurface } from '../surface.ts';

/** Published ports of a container that is there already: { Ports: ["8080:80", "127.0.0.1:5353:53/udp"] }, as `-p` takes them. */
export function portRoutes({ containers }: EngineSurface): Routes {
  return {
    'POST /fairway/containers/{}/ports': async (exchange) => {
      await containers.addPorts(exchange.parameter(), parsePorts(await exchange.json()));
      return { status: 204 };
    },
    'DELETE /fairway/containers/{}/ports': async (exchange) => {
      await containers.removePorts(exchange.parameter(), parsePorts(await exchange.json()));
      return { status: 204 };
    },
  };
}

function parsePorts(body: unknown) {
  const fields = new Fields(body, '');
  const texts = fields.texts('Ports');
  fields.close();
  if (texts.length === 0) throw invalid('no port specified: <empty>');
  return texts.flatMap(parsePortSpec);
}
