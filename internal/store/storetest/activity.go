package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/token"
)

var activityTests = map[string]func(*kit){
	"ActivityAddsUp":     activityAddsUp,
	"ActivityTellsLines": activityTellsLines,
	"ActivityPurged":     activityPurged,
}

// activity wants what was done from since on.
func (k *kit) activity(since time.Time, want ...token.Activity) {
	k.Helper()
	got, err := k.Activity(ctx, since, k.now().Add(time.Hour))
	k.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		k.Errorf("activity (-want +got):\n%s", diff)
	}
}

var hour = start.Truncate(time.Hour)

func did(hour time.Time, service string, deed token.Deed, n int64) token.Activity {
	return token.Activity{Hour: hour, Service: service, Deed: deed, Count: n}
}

// Several servers write into the same hours at once, and nothing is lost.
func activityAddsUp(k *kit) {
	all := []token.Activity{did(hour, "ecology", token.DeedRefreshed, 2), did(hour, "samples", token.DeedRefused, 1),
		did(hour.Add(time.Hour), "samples", token.DeedRefreshed, 3)}
	together(8, func(int) { k.must(k.AddActivity(ctx, all)) })
	k.reopen()
	k.pass(time.Hour)
	k.activity(start, did(hour, "ecology", token.DeedRefreshed, 16), did(hour, "samples", token.DeedRefused, 8),
		did(hour.Add(time.Hour), "samples", token.DeedRefreshed, 24))
	k.activity(start.Add(time.Hour), did(hour.Add(time.Hour), "samples", token.DeedRefreshed, 24))
	got, err := k.Activity(ctx, start, hour.Add(time.Hour))
	k.must(err)
	equal(k, "rows up to an hour that is left out", len(got), 2)
}

func activityTellsLines(k *kit) {
	ada := k.person("ada")
	g := k.issue(token.Pair, "samples", ada)
	k.issue(token.APIKey, "", ada)
	browser := k.browser(ada, 1)
	k.must(k.Failed(ctx, by, "key", ada, k.now(), time.Hour))
	k.rotate(g, 0, token.RotatedNow)
	k.rotate(g, 1, token.RotatedNow)
	k.must(k.AddActivity(ctx, []token.Activity{did(hour, "samples", token.DeedIssued, 5)})) // exchanged keys
	k.pass(time.Hour)
	k.rotate(g, 0, token.RotateReused)
	k.revoke(token.RevokeVerb{Grant: browser.ID})
	next := hour.Add(time.Hour)
	k.activity(start, did(hour, "", token.DeedIssued, 2), did(hour, "", token.DeedRefused, 1),
		did(hour, "samples", token.DeedIssued, 6),
		did(next, "", token.DeedRevoked, 1), did(next, "samples", token.DeedRevoked, 1))
}

func activityPurged(k *kit) {
	k.must(k.AddActivity(ctx, []token.Activity{did(hour, "samples", token.DeedRefreshed, 1)}))
	purge := func(keep time.Duration) {
		k.Helper()
		_, _, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Batch: 10, Retention: token.Retention{AuditKeep: keep}})
		k.must(err)
	}
	k.pass(10 * day)
	purge(11 * day)
	k.activity(start, did(hour, "samples", token.DeedRefreshed, 1))
	purge(10 * day)
	k.activity(start)
	k.must(k.AddActivity(ctx, []token.Activity{did(hour, "samples", token.DeedRefreshed, 1)}))
	k.pass(390 * day)
	purge(0) // audit lines stay for ever, these do not
	k.activity(start)
}
