//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// doubled counts the keys that were made before the one that they follow had begun to sign: more than one for a rotation.
const doubled = `SELECT count(*) FROM (SELECT created_at, lag(sign_from) OVER (PARTITION BY service, purpose ORDER BY id) AS before,
	lag(id) OVER (PARTITION BY service, purpose ORDER BY id) AS former FROM signing_keys) AS keys
	WHERE former IS NOT NULL AND (before IS NULL OR created_at < before)`

// TestNodesRotateKeys: two servers change their keys every two seconds and take each other's tokens, under load. No good
// token is refused, each rotation makes one key, and a stolen one, once removed, is refused by both.
func TestNodesRotateKeys(t *testing.T) {
	c := newCluster(t, 2*time.Second, "fsync=off")
	begin := time.Now()
	for range 2 {
		c.add("", "services:", "dev: true\nkey_rotation: 2s\nservices:")
	}
	w := &keyWatch{published: map[string]time.Time{}, used: map[string]time.Time{}}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	for _, s := range c.nodes {
		watching.Go(func() { w.look(s, stop) })
	}
	_, other := c.pair("ada")
	l := startTraffic(c, "load", 8)
	time.Sleep(8 * time.Second)
	made, twice := c.count("SELECT count(*) FROM signing_keys WHERE service = 'samples' AND purpose = 'access'"), c.count(doubled)
	if most := int(time.Since(begin)/(2*time.Second)) + 2; made < 4 || made > most || twice != 0 {
		t.Errorf("%d access keys were made, want 4 to %d; %d of all kinds beside another for the same rotation", made, most, twice)
	}
	calls, unknown := l.end()
	if unserved := l.unserved.Load(); unknown+int(unserved) != 0 {
		t.Errorf("%d of %d rotations got no answer, and %d verifications", unknown, calls, unserved)
	}
	for _, x := range l.all {
		for _, access := range x.access {
			w.note(w.used, kidOf(access))
		}
	}
	if len(w.used) < 3 {
		t.Errorf("%d keys signed in 8 s", len(w.used))
	}
	for kid := range w.used {
		if _, ok := w.published[kid]; !ok {
			t.Errorf("the key %s signed and was never published", kid)
		}
	}

	r, err := c.nodes[0].refresh(other)
	if err != nil || r.status != http.StatusOK {
		t.Fatalf("a rotation gets %d %s %v", r.status, r.body, err)
	}
	stolen, next := r.member("access"), r.member("refresh")
	for _, s := range c.nodes {
		met(t, s, stolen)
	}
	c.run("signing-key", "retire", "--now", "--yes", kidOf(stolen))
	for i, s := range c.nodes {
		took := within(t, c.bound+slack, fmt.Sprintf("server %d refuses what the stolen key signed", i), func() bool {
			yes, other := s.accepts(stolen)
			return !yes && other == ""
		})
		t.Logf("server %d: refused %s after the command", i, took.Round(time.Millisecond))
	}
	l = startTraffic(c, "more", 4)
	time.Sleep(2 * time.Second) // the next rotation
	for i, s := range c.nodes {
		if yes, other := s.accepts(stolen); yes || other != "" {
			t.Errorf("server %d says of what the stolen key signed %v %q", i, yes, other)
		}
		r, err := s.refresh(next)
		if err != nil || r.status != http.StatusOK || kidOf(r.member("access")) == kidOf(stolen) {
			t.Fatalf("a rotation gets %d %s %v", r.status, r.body, err)
		}
		next = r.member("refresh")
		for _, s := range c.nodes {
			met(t, s, r.member("access"))
		}
		if jwks := call(t, "GET", s.base+"/symbolon/keys/samples/jwks.json", ""); strings.Contains(jwks.body, kidOf(stolen)) {
			t.Errorf("server %d still publishes the stolen key", i)
		}
	}
	if calls, unknown := l.end(); unknown != 0 {
		t.Errorf("%d of %d calls got no answer", unknown, calls)
	}
}
