/** What can go wrong with a command. */
import type { ErrorCode, Refused } from "./protocol.gen.ts";

/** The server refused a command: it had no effect. */
export class RefusedError extends Error {
  override name = "RefusedError";
  readonly code: ErrorCode | (string & {});
  /** The field at fault, or null. */
  readonly at: string | null;
  /** The least wait in milliseconds before a retry can succeed; 0: nothing is known. */
  readonly retryAfter: number;

  constructor(refused: Refused) {
    super(refused.message);
    this.code = refused.code;
    this.at = refused.at;
    this.retryAfter = refused.retry_after;
  }
}

/** The connection ended before the answer came: the command may have taken effect. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** The session is over: nothing can be sent until somebody logs in. */
export class LoggedOut extends Error {
  override name = "LoggedOut";
}

const TRANSIENT: ReadonlySet<string> = new Set<ErrorCode>(["rate_limited", "server_busy", "server_stopping", "internal", "slow_mode"]);
const SESSION_OVER: ReadonlySet<string> = new Set<ErrorCode>(["session_ended", "bad_credentials", "name_taken", "password_weak", "registration_closed", "plaintext_refused"]);

/** Let pass that there is no connection, and what the server refuses: for what is asked again anyway. Throws everything else. */
export function ignoreLoss(error: unknown): void {
  if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
}

/** Whether the same command with the same client id may succeed later. */
export function isTransient(error: unknown): error is RefusedError {
  return error instanceof RefusedError && TRANSIENT.has(error.code);
}

/** Whether a login cannot succeed as it is, so that the person has to be asked again. */
export function endsSession(error: unknown): error is RefusedError {
  return error instanceof RefusedError && SESSION_OVER.has(error.code);
}

/** Whether the server is too old or too new for this client: it does not know the version, or the command that logs in. */
export function isMismatch(error: unknown): error is RefusedError {
  return error instanceof RefusedError && (error.code === "version_unsupported" || error.code === "unknown_type");
}
