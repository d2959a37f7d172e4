/** People with e-mail and password, by better-auth: hashing, comparing and the tables of it, behind the routes of the contract. */
import { CeliumError } from '@celium/contract';
import { betterAuth } from 'better-auth';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Randomness } from '../ports.ts';

export interface People {
  /** Makes a person and answers their id. Throws EMAIL_TAKEN. */
  signUp(email: string, password: string): Promise<string>;
  /** The id of the person whose password this is. Throws BAD_CREDENTIALS, the same for an unknown e-mail. */
  logIn(email: string, password: string): Promise<string>;
}

export const MIN_PASSWORD_LENGTH = 10;
export const MAX_PASSWORD_LENGTH = 200;

/** @param secret signs better-auth's own tokens; kept in the state folder */
export function openPeople(db: Kysely<Database>, secret: string, randomness: Randomness): People {
  const auth = betterAuth({
    database: { db, type: 'postgres' },
    secret,
    baseURL: 'http://127.0.0.1',
    emailAndPassword: {
      enabled: true,
      // Without it an e-mail that is taken is answered as if it were free.
      autoSignIn: true,
      minPasswordLength: MIN_PASSWORD_LENGTH,
      maxPasswordLength: MAX_PASSWORD_LENGTH,
    },
    user: { modelName: 'auth_user' },
    session: { modelName: 'auth_session' },
    account: { modelName: 'auth_account' },
    verification: { modelName: 'auth_verification' },
    advanced: { database: { generateId: () => randomness.uuid() } },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
  });
  // The market's own API keys are its sessions; better-auth's are not used.
  const endSession = async (token: string | null): Promise<void> => {
    if (token !== null) await (await auth.$context).internalAdapter.deleteSession(token);
  };
  return {
    signUp: async (email, password) => {
      try {
        const { user, token } = await auth.api.signUpEmail({ body: { email, password, name: email } });
        await endSession(token);
        return user.id;
      } catch (fault) {
        if (codeOf(fault)?.startsWith('USER_ALREADY_EXISTS') === true) throw new CeliumError('EMAIL_TAKEN');
        throw fault;
      }
    },
    logIn: async (email, password) => {
      try {
        const { user, token } = await auth.api.signInEmail({ body: { email, password } });
        await endSession(token);
        return user.id;
      } catch (fault) {
        const code = codeOf(fault);
        if (code === 'INVALID_EMAIL_OR_PASSWORD' || code === 'INVALID_PASSWORD')
          throw new CeliumError('BAD_CREDENTIALS');
        throw fault;
      }
    },
  };
}

function codeOf(fault: unknown): string | null {
  const code = (fault as { body?: { code?: unknown } } | null)?.body?.code;
  return typeof code === 'string' ? code : null;
}
