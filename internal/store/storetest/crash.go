package storetest

import (
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/token"
)

var crashTests = map[string]func(*kit){
	"CrashKeepsWhatWasAnswered": crashKeepsAnswered,
	"CrashBeforeCommit":         crashBeforeCommit,
}

// copied opens a copy of the store, made while it is open, as a crash would leave it.
func (k *kit) copied() *kit {
	k.Helper()
	return k.openAt(k.copyDir())
}

// copyDir runs inside a commit as well, and so stops no test.
func (k *kit) copyDir() string {
	dir := k.TempDir()
	if err := k.engine.Copy(k.opts.Dir, dir); err != nil {
		k.Error(err)
	}
	return dir
}

func (k *kit) openAt(dir string) *kit {
	k.Helper()
	c := &kit{T: k.T, engine: k.engine, time: k.now(), nonces: k.nonces}
	c.opts = Options{Dir: dir, Services: k.opts.Services, Now: c.now, Fault: c.inject}
	c.Store = k.engine.Open(k.T, c.opts)
	k.Cleanup(func() { k.must(c.Close()) })
	return c
}

func crashKeepsAnswered(k *kit) {
	k.run()
	ada := k.person("ada")
	var grants [8]token.Grant
	for i := range grants {
		grants[i] = k.issue(token.Session, "samples", ada)
	}
	together(len(grants), func(i int) {
		for generation := range int64(5) {
			k.rotate(grants[i], generation, token.RotatedNow)
		}
	})
	k.revoke(token.RevokeVerb{Grant: grants[7].ID})
	c := k.copied()
	if diff := cmp.Diff(k.state(), c.state()); diff != "" {
		k.Fatalf("the crash changed what had been answered (-before +after):\n%s", diff)
	}
	c.run()
	c.pass(5 * time.Minute)
	for _, g := range grants[:7] {
		c.rotate(g, 4, token.RotatedSame) // perhaps not answered
		c.rotate(g, 5, token.RotatedNow)
	}
	c.rotate(grants[6], 3, token.RotateReused)
	c.rotate(grants[7], 5, token.RotateRevoked)
	after := c.issue(token.Session, "samples", ada)
	if after.ID <= grants[7].ID {
		k.Errorf("grant %d follows %d", after.ID, grants[7].ID)
	}
}

// A restricted service's rotation is more than one statement, so that there is a moment before its commit.
func crashBeforeCommit(k *kit) {
	g := k.issue(token.Session, "staff", k.member("ada"))
	before := k.state()
	var dir string
	var once sync.Once
	k.failWith(func(op string) error {
		if strings.HasPrefix(op, "COMMIT") {
			once.Do(func() { dir = k.copyDir() })
		}
		return nil
	})
	k.rotate(g, 0, token.RotatedNow)
	c := k.openAt(dir)
	if diff := cmp.Diff(before, c.state()); diff != "" {
		k.Errorf("a crash before the commit left half (-before +after):\n%s", diff)
	}
	c.rotate(g, 0, token.RotatedNow) // the client, who had no answer, tries again
}
