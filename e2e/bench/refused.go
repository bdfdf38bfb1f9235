//go:build e2e

package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"symbolon/client"
	"symbolon/e2e/load"
)

const (
	revocations = 300
	everySecond = 100 // revocations
)

// refusals are how long a token was still taken after the answer to its revocation.
type refusals struct {
	same   int             // tokens that the same server took once more
	client []time.Duration // by a Verifier with the event stream, sorted
}

// refused revokes pairs at a steady rate. Each is asked for at the same server at once, and at a Verifier until that refuses.
func (b *bench) refused(into *report) error {
	v, err := client.NewVerifier(client.VerifierConfig{Server: "http://" + b.server.Addr, Service: "samples", Dialect: client.SESAR, EventsCredential: verifierKey})
	if err != nil {
		return err
	}
	defer v.Close()
	c, err := load.Dial(b.server.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var pairs []load.Pair
	for range revocations {
		p, err := load.NewPair(c, b.apiKey)
		if err != nil {
			return err
		}
		if _, err := v.Verify(b.ctx, p.Access); err != nil {
			return fmt.Errorf("a token that was just made: %w", err)
		}
		pairs = append(pairs, p)
	}
	out := &into.refused
	*out = refusals{client: make([]time.Duration, revocations)}
	errs := make([]error, revocations)
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / everySecond)
	defer tick.Stop()
	for i, p := range pairs {
		<-tick.C
		if err := p.Revoke(c); err != nil {
			return fmt.Errorf("revoking: %w", err)
		}
		answered := time.Now()
		wg.Go(func() { out.client[i], errs[i] = b.untilRefused(v, p.Access, answered) })
		status, _, err := c.Do(p.Ask())
		if err != nil {
			return err
		}
		if status != http.StatusUnauthorized {
			out.same++
		}
	}
	wg.Wait()
	slices.Sort(out.client)
	return errors.Join(errs...)
}

func (b *bench) untilRefused(v *client.Verifier, token string, since time.Time) (time.Duration, error) {
	for time.Since(since) < time.Minute {
		if _, err := v.Verify(b.ctx, token); errors.Is(err, client.ErrRevoked) {
			return time.Since(since), nil
		}
		time.Sleep(time.Millisecond / 2) // who asks without pause takes the cores from those who tell
	}
	return 0, errors.New("a revoked token was good for a minute")
}
