/** Routes of people: sign up, log in, who am I. */
import { accountOf, type Handlers } from '../http/handlers.ts';
import { logIn, readAccount, signUp, type AccountParts } from './accounts.flow.ts';

/** @param forgiveLogin told of a good log-in, so that it does not count as a guess */
export function accountRoutes(
  parts: AccountParts,
  forgiveLogin: (ip: string, email: string) => Promise<void>,
): Pick<Handlers, 'signUp' | 'logIn' | 'getAccount'> {
  return {
    signUp: async ({ body }) => signUp(parts, body.email, body.password),
    logIn: async ({ body, ip }) => {
      const session = await logIn(parts, body.email, body.password);
      await forgiveLogin(ip, body.email);
      return session;
    },
    getAccount: async (call) => readAccount(parts, accountOf(call)),
  };
}
