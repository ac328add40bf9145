import { parseAttachRequest, parseLinkRequest } from '../parse/attachment.ts';
import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

/** Links that no network gives: between two containers, or to a bridge or a card of the host. */
export function attachmentRoutes({ attachments }: EngineSurface): Routes {
  return {
    'GET /fairway/attachments': () => ({ status: 200, body: attachments.list() }),
    'POST /fairway/links': async (exchange) => {
      const { a, b, mtu } = parseLinkRequest(await exchange.json());
      return { status: 201, body: { Id: await attachments.link(a, b, mtu) } };
    },
    'POST /fairway/attachments': async (exchange) => {
      const { target, end, mtu } = parseAttachRequest(await exchange.json());
      return { status: 201, body: { Id: await attachments.attach(target, end, mtu) } };
    },
    'DELETE /fairway/attachments/{}/{}': async (exchange) => {
      await attachments.detach(exchange.parameter(), exchange.parameter(1));
      return { status: 204 };
    },
  };
}
