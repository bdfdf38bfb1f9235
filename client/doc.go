// Package client is for Go programs that get tokens from a Symbolon server, or are sent them.
//
// # A program that calls a service
//
// A [Source] keeps a pair of tokens fresh in a file. Make the pair once, on the page of the server or with
//
//	symbolon token issue --service samples --account maria --json > pair.json
//
// give its path to [NewSource] together with the call that refreshes it, and ask for a token before each request, or
// let golang.org/x/oauth2 do that. Any number of processes may share the file; one of them refreshes when it is time,
// and the others take what it wrote. The file is a secret: whoever reads it acts as the account.
//
// When the server refuses the pair for good, the error is [ErrNewPair], and a human writes a new pair to the same file;
// no program need be restarted. When the server cannot be reached, the present token is given out as long as it is good,
// and then the error is [ErrUnavailable].
//
// A refresh token is good once, and a server takes the second use of one for theft. So each refresh is noted in the file
// before it is sent, under an Idempotency-Key, and one that was cut off is sent again under the same. The server answers
// with the same pair within its replay_window (one minute by default), or for a day where it knows that the answer did
// not arrive. A program that is killed in the middle of a refresh must therefore call Token again, in this or any other
// process with the file, within that window; else the pair ends, as it must.
//
// # A service that is sent tokens
//
// A [Verifier] checks the access tokens of one service without asking the server about each. It fetches the service's
// public keys and the status lists that the tokens name, keeps both fresh in the background, and remembers whose signature
// was good. [Middleware] puts it before a handler, which finds the caller by [FromContext].
//
// A token is refused within a bound after its revocation: a quarter of the server's status_ttl, which is a minute by
// default, and two seconds; at once with the event stream, for which the server wants a credential. When the server
// cannot be reached, that takes the status_ttl at most, and then every token is refused: [ErrUnavailable] and 503 never
// mean that a token is good or bad.
//
// The clock of the machine must be right, as on the server. What the account may do, and who it is beyond what the token
// says, the Verifier does not know. Services whose tokens are signed with a shared secret, those of the dialects
// collectiveaccess and itempath, cannot be checked so; ask the server's /symbolon/verify/SERVICE instead, as programs in
// any language may.
//
// Nothing here imports the server's own packages.
package client
