package storetest

import (
	"context"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var countTests = map[string]func(*kit){"CountGrants": countGrants}

// countAll adds up what batches count, and wants each to be of no more than its size.
func (k *kit) countAll(batch int) map[string][3]int {
	k.Helper()
	counter := k.Store.(interface {
		CountGrants(context.Context, time.Time, int64, int) ([]sqlstore.GrantCount, int64, error)
	})
	all := map[string][3]int{}
	for after := int64(0); ; {
		counts, next, err := counter.CountGrants(ctx, k.now(), after, batch)
		k.must(err)
		sum := 0
		for _, c := range counts {
			at := c.Kind + " " + c.State
			all[at] = [3]int{all[at][0] + c.Count, all[at][1] + c.Ending7, all[at][2] + c.Ending30}
			sum += c.Count
		}
		if sum > batch {
			k.Errorf("a batch of %d counted %d", batch, sum)
		}
		if after = next; next == 0 {
			return all
		}
	}
}

func countGrants(k *kit) {
	equal(k, "kinds and states in a new store", len(k.countAll(10)), 0)
	ada := k.robot("ada")
	for i := range 7 {
		v := k.verb(token.APIKey, "", ada)
		v.Grant.ExpiresAt = k.now().Add(time.Duration(i*6+1) * day) // 1, 7, 13, …, 37 days
		v.SecretHash = append(make([]byte, 31), byte(i))
		k.issueVerb(v)
	}
	k.issue(token.Application, "samples", ada) // no end
	waiting := k.verb(token.Session, "samples", ada)
	waiting.Grant.NotBefore = k.now().Add(day)
	k.issueVerb(waiting)
	k.revoke(token.RevokeVerb{Grant: k.issue(token.Session, "samples", ada).ID})
	for _, batch := range []int{1, 3, 5, 1000} {
		want := map[string][3]int{"apikey live": {7, 2, 5}, "application live": {1, 0, 0}, "session waiting": {1, 0, 0}, "session revoked": {1, 0, 0}}
		if diff := cmp.Diff(want, k.countAll(batch)); diff != "" {
			k.Errorf("counts by %d (-want +got):\n%s", batch, diff)
		}
	}
	k.pass(day)
	want := map[string][3]int{"apikey expired": {1, 0, 0}, "apikey live": {6, 1, 5}, "application live": {1, 0, 0}, "session live": {1, 0, 1}, "session revoked": {1, 0, 0}}
	if diff := cmp.Diff(want, k.countAll(4)); diff != "" {
		k.Errorf("counts a day later (-want +got):\n%s", diff)
	}
}
