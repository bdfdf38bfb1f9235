package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/token"
)

var lostTests = map[string]func(*kit){
	"LostAnswer":           lostAnswer,
	"LostAnswerOneDay":     lostAnswerOneDay,
	"LostAnswerSuperseded": lostAnswerSuperseded,
	"LostByCrash":          lostByCrash,
	"LostByCrashClockBack": lostByCrashClockBack,
	"CrashExcusesNoLater":  crashExcusesNoLater,
	"NotLostByOrderlyEnd":  notLostByOrderlyEnd,
}

func lostAnswer(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	first := k.rotate(g, 0, token.RotatedNow)
	k.must(k.AnswerLost(ctx, g.ID, 1, k.grant(g.ID).RotatedAt))
	for range 3 { // any number of times, also past the window, also after a restart
		k.pass(5 * time.Minute)
		k.reopen()
		r := k.rotate(g, 0, token.RotatedSame)
		if diff := cmp.Diff(first.Grant, r.Grant); diff != "" {
			k.Errorf("not the same answer (-first +again):\n%s", diff)
		}
	}
}

func lostAnswerOneDay(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	k.must(k.AnswerLost(ctx, g.ID, 1, k.grant(g.ID).RotatedAt))
	k.pass(day)
	k.rotate(g, 0, token.RotatedSame)
	k.pass(time.Millisecond)
	k.rotate(g, 0, token.RotateReused)
}

func lostAnswerSuperseded(k *kit) {
	ada := k.person("ada")
	g := k.issue(token.Pair, "samples", ada)
	k.rotate(g, 0, token.RotatedNow)
	k.must(k.AnswerLost(ctx, g.ID, 1, k.grant(g.ID).RotatedAt))
	k.rotate(g, 1, token.RotatedNow) // so it had arrived after all
	k.rotate(g, 0, token.RotateReused)

	g = k.issue(token.Pair, "samples", ada)
	k.rotate(g, 0, token.RotatedNow)
	k.must(k.AnswerLost(ctx, g.ID, 0, k.now())) // a note that comes late is about nothing
	k.must(k.AnswerLost(ctx, 99, 1, k.now()))
	k.pass(2 * time.Minute)
	k.rotate(g, 0, token.RotateReused)
}

// run starts a server's run that last gives a sign of life before each rotation below.
func (k *kit) run() int64 {
	k.Helper()
	run, _, err := k.Start(ctx, k.now(), nil)
	k.must(err)
	return run
}

func lostByCrash(k *kit) {
	run := k.run()
	ada := k.person("ada")
	early, late := k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", ada)
	k.rotate(early, 0, token.RotatedNow)
	k.pass(10 * time.Minute)
	k.must(k.Alive(ctx, token.AliveVerb{Run: run, Now: k.now()}))
	k.pass(4 * time.Second)
	first := k.rotate(late, 0, token.RotatedNow)
	k.pass(time.Second)
	k.reopen() // without an orderly end
	next := k.run()
	k.pass(5 * time.Minute)
	r := k.rotate(late, 0, token.RotatedSame)
	if diff := cmp.Diff(first.Grant, r.Grant); diff != "" {
		k.Errorf("not the same answer (-first +again):\n%s", diff)
	}
	k.rotate(late, 1, token.RotatedNow) // in the new run, which has not crashed
	k.must(k.Alive(ctx, token.AliveVerb{Run: next, Now: k.now()}))
	k.pass(2 * time.Minute)
	k.rotate(late, 1, token.RotateReused)
	k.rotate(early, 0, token.RotateReused) // long before the crash
}

// A server that is back within seconds of a crash tells theft from lost answers again at once.
func crashExcusesNoLater(k *kit) {
	k.run()
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.pass(3 * time.Second)
	k.reopen() // without an orderly end
	k.run()
	k.pass(time.Second)
	k.rotate(g, 0, token.RotatedNow)
	k.pass(2 * time.Minute)
	k.rotate(g, 0, token.RotateReused)
}

func lostByCrashClockBack(k *kit) {
	k.run()
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.pass(4 * time.Second)
	k.rotate(g, 0, token.RotatedNow)
	k.pass(-time.Hour)
	k.run()
	k.pass(time.Hour + 5*time.Minute)
	k.rotate(g, 0, token.RotatedSame)
}

func notLostByOrderlyEnd(k *kit) {
	run := k.run()
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	k.must(k.Alive(ctx, token.AliveVerb{Run: run, Now: k.now(), Final: true}))
	k.reopen()
	k.run()
	k.pass(5 * time.Minute)
	k.rotate(g, 0, token.RotateReused)
}
