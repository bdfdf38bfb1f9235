package client

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// pair is what the file holds. A new pair made by hand, `symbolon token issue --json` or a server's own answer, is read
// as it is; the members below the line are ours and absent there.
type pair struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh,omitempty"`
	Pasta   string `json:"pasta-token,omitempty"`

	Expires  time.Time `json:"expires,omitzero"`   // of the access token, by this machine's clock
	Renew    time.Time `json:"renew,omitzero"`     // when renewing begins
	Attempt  string    `json:"attempt,omitempty"`  // Idempotency-Key of a refresh whose outcome is not in the file
	RetryAt  time.Time `json:"retry_at,omitzero"`  // nobody asks the server before
	Failures int       `json:"failures,omitempty"` // in a row
	Ended    bool      `json:"ended,omitempty"`    // the server has refused this pair for good

	lifetime time.Duration // as an OAuth 2 answer gives it; 0 when the token itself says
}

// maxPairFile is far above any file written here.
const maxPairFile = 1 << 20

// readPair reads the file; fs.ErrNotExist where there is none. An edi-token under its own name is taken for the access
// token.
func readPair(file string) (pair, error) {
	f, err := os.Open(file)
	if err != nil {
		return pair{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPairFile))
	if err != nil {
		return pair{}, err
	}
	p := struct {
		pair
		EDI string `json:"edi-token"`
	}{}
	if err := json.Unmarshal(text, &p); err != nil {
		return pair{}, fmt.Errorf("%s is not a JSON object of tokens", file) // err would quote the text
	}
	if p.Access == "" {
		p.Access = p.EDI
	}
	if p.Expires.IsZero() {
		p.pair = p.found()
	}
	return p.pair, nil
}

// writePair replaces the file, so that after a crash it holds either all of the old or all of the new.
func writePair(file string, p pair) (err error) {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable. Windows has no such call, and needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// realPath resolves links, so that a rename replaces the file and not a link to it, and all processes lock the same.
func realPath(file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) {
		if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			return filepath.Join(dir, filepath.Base(abs)), nil
		}
	}
	return real, err
}

// unknownLife is taken for the life of a token that says nothing of its end, of an answer that says nothing either.
const unknownLife = 5 * time.Minute

// received says when the access token of an answer ends and when renewing it begins: in the last fifth of what is left,
// and at most five minutes ahead. What the answer said counts, or else the token's own exp less the error of our clock.
// The token is not checked: it is ours, and its server will.
func (p pair) received(now time.Time, clockError time.Duration) pair {
	exp := p.claims().Exp
	switch {
	case p.lifetime > 0:
		p.Expires = now.Add(p.lifetime)
	case exp > 0:
		p.Expires = time.Unix(exp, 0).Add(-clockError)
	default:
		p.Expires = now.Add(unknownLife)
	}
	p.Renew = p.Expires.Add(-min(max(0, p.Expires.Sub(now))/5, maxEarly))
	return p
}

// found is received for a pair that somebody else wrote to the file: when that was is not known. A token that says
// nothing is due at once.
func (p pair) found() pair {
	c := p.claims()
	life := time.Duration(max(0, min(c.Exp-c.IAT, 1<<32))) * time.Second
	p.Expires = time.Unix(c.Exp, 0)
	p.Renew = p.Expires.Add(-min(life/5, maxEarly))
	return p
}

type tokenTimes struct{ Exp, IAT int64 }

// claims are the times in a JWT, zero where there is none.
func (p pair) claims() (c tokenTimes) {
	parts := strings.Split(p.Access, ".")
	if len(parts) != 3 {
		return tokenTimes{}
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &c) != nil {
		return tokenTimes{}
	}
	return c
}

// good reports whether the access token can be used at that moment, as far as its times say.
func (p pair) good(at time.Time) bool { return p.Access != "" && at.Before(p.Expires) }
