/** What a client says of its session when it opens the connection (buildkit, session/session.go). */
export interface SessionHeaders {
  readonly id: string;
  /** Methods it answers: "/moby.filesync.v1.FileSync/DiffCopy" */
  readonly methods: readonly string[];
}

/** @param header gives a header's value by its name, several with commas between them */
export function sessionHeaders(header: (name: string) => string): SessionHeaders {
  const methods = header('x-docker-expose-session-grpc-method').split(',');
  return { id: header('x-docker-expose-session-uuid'), methods: methods.map((method) => method.trim()) };
}
