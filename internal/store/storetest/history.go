package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"symbolon/internal/token"
)

// historyTests check what many clients saw of one grant at once: there must be
// an order of their calls, one at a time, that explains every answer.
var historyTests = map[string]func(*kit){
	"history of one grant is linearizable": func(k *kit) {
		for range 10 {
			k.checkHistory(64, 15)
		}
	},
}

// move is one call: a generation presented, or a revocation.
type move struct {
	revoke     bool
	generation int64
}

// answer is what one call came to, and the generation that it saw or made; a revocation tells none.
type answer struct {
	outcome    token.Outcome
	generation int64
}

// held is the model's state: what one grant is.
type held struct {
	generation int64
	revoked    bool
}

// moves is how a grant answers, one call at a time, within the window.
var moves = porcupine.Model{
	Init: func() any { return held{} },
	Step: func(state, input, output any) (bool, any) {
		h, m := state.(held), input.(move)
		want := token.RotateRevoked
		switch {
		case m.revoke:
			h.revoked = true
			return true, h
		case h.revoked:
		case m.generation > h.generation:
			want = token.RotateAhead
		case m.generation == h.generation:
			h.generation, want = h.generation+1, token.RotatedNow
		case m.generation == h.generation-1:
			want = token.RotateRaced
		default:
			h.revoked, want = true, token.RotateReused
		}
		return output.(answer) == answer{want, h.generation}, h
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %v", input, output) },
}

// inFlight is how many calls run at once: what is more only waits, and each makes the check dearer by far.
const inFlight = 12

// checkHistory lets clients present the newest generation they know of, or an
// older one, or revoke, and checks the whole history.
func (k *kit) checkHistory(clients, calls int) {
	k.Helper()
	g := k.issue(token.Pair, "samples", k.person(fmt.Sprintf("h%d", rand.Int())))
	var newest atomic.Int64
	var mu sync.Mutex
	var history []porcupine.Operation
	var wg sync.WaitGroup
	turn := make(chan struct{}, inFlight)
	begin := time.Now()
	for client := range clients {
		wg.Go(func() {
			for range calls {
				turn <- struct{}{}
				m := k.nextMove(newest.Load())
				call := time.Since(begin)
				out := k.make(g, m)
				back := time.Since(begin)
				<-turn
				if out.outcome == token.RotatedNow {
					newest.CompareAndSwap(m.generation, m.generation+1)
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: m, Output: out,
					Call: call.Nanoseconds(), Return: back.Nanoseconds()})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got := porcupine.CheckOperationsTimeout(moves, history, time.Minute); got != porcupine.Ok {
		k.Errorf("history of %d calls: %v", len(history), got)
	}
}

// nextMove mostly presents the newest token; ancestors and revocations are rare,
// since they end the story.
func (k *kit) nextMove(newest int64) move {
	switch n := rand.IntN(1000); {
	case n == 0:
		return move{revoke: true}
	case n < 3:
		return move{generation: max(0, newest-2)}
	case n < 200:
		return move{generation: max(0, newest-1)}
	}
	return move{generation: newest}
}

func (k *kit) make(g token.Grant, m move) answer {
	if m.revoke {
		_, err := k.Revoke(k.Context(), token.RevokeVerb{Now: k.now(), Grant: g.ID, Reason: "test"})
		if err != nil {
			k.Error(err)
		}
		return answer{}
	}
	r, err := k.Rotate(k.Context(), k.present(g, m.generation))
	if err != nil {
		k.Error(err)
	}
	return answer{r.Outcome, r.Grant.Generation}
}
