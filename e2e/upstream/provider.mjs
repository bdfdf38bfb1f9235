// An OpenID provider on loopback, for the tests: one client, and whoever types a name is let in.
import { generateKeyPairSync } from 'node:crypto';
import { Provider } from 'oidc-provider';

const issuer = process.env.ISSUER;
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'symbolon',
    client_secret: process.env.CLIENT_SECRET,
    redirect_uris: [process.env.REDIRECT],
  }],
  jwks: { keys: [{ ...key, kid: 'one', use: 'sig' }] },
  cookies: { keys: ['the tests alone see these cookies'] },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} Example`, preferred_username: id, email: `${id}@example.org`, email_verified: id !== 'mallory' }),
  }),
});

provider.listen(new URL(issuer).port, '127.0.0.1', () => console.log('ready'));
