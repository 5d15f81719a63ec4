; The transitions of a slot, in the order of src/registry/slot/transitions.rs, and by the names that they have there. `s` is the
; slot before, `t` after. What a transition asks of its caller is the first conjunct: Rust's types give it, by a guard that is
; consumed, or the map lock. `k` is the position of a place, or -1 if it is not in this queue.

; ---- state.rs
(define-fun shown ((n Int)) Int (ite (< n 1048575) n 1048575))
(define-fun next_ticket ((s Slot)) Int (+ (last s) 1))
(define-fun change ((s Slot)) Slot (ite (open s) s (open! (version! s (+ (version s) 1)) true)))
(define-fun post_waiting ((s Slot)) Slot (waiting! (change s) (shown (len s))))
(define-fun begin ((s Slot) (p Phase) (at Int)) Slot (unwinding! (since! (phase! (post_waiting s) p) at) false))
(define-fun begin_for ((s Slot) (of Int) (p Phase) (at Int)) Slot
  (last! (holder! (begin s p at) of) (later (last s) of)))
; `number`: begins an incarnation, which no guard keeps. `n` is -1 in a registry that draws no numbers.
(define-fun numbered ((s Slot) (n Int)) Slot
  (let ((r (keepers! (sealed! (kept! (change s) 0) false) 0))) (ite (= n (- 1)) (unknown! r true) (number! (unknown! r false) n))))
(define-fun renews ((s Slot) (n Int)) Bool (or (= n (- 1)) (< (number s) n)))

; A new slot, whose vacancy is out. It inherits a queue, or has none. Its ticket is above all in the queue.
(define-fun new ((t Slot) (from Slot) (of Int) (n Int) (ranked Bool) (by Bool) (now Int)) Bool
  (and (= (version t) 0) (not (open t)) (= (phase t) Starting) (= (since t) (rested t) (touched t) now)
    (ite (= n (- 1)) (unknown t) (and (= (number t) n) (not (unknown t)))) (= (holder t) (last t) of) (= (waiting t) (shown (len t)))
    (alike (queue t) (queue from) (len from)) (= (high t) (high from)) (= (first t) (first from)) (= (normal t) (normal from))
    (= (passed t) (passed from)) (< 0 of) (< (last from) of)
    (not (session t)) (= (grant t) 0) (= (lane t) 0) (= (kept t) (keepers t) 0) (not (sealed t)) (not (handle t)) (not (stands t))
    (= (caller t) by) (not (superseded t)) (not (departed t)) (not (unwinding t)) (= (unlisted t) ranked)
    (= (vacancies t) 1) (= (turns t) (closings t) (born t) (gone t) 0)))

; `Drop for Locked`: closes the board. The box of what is rare is freed if nothing is in it.
(define-fun unlock ((s Slot) (t Slot) (freed Bool)) Bool
  (and (=> freed (and (open s) (= (grant s) 0) (= (len s) 0) (= (kept s) 0) (not (sealed s)) (not (handle s)) (not (caller s))))
    (is t (let ((r (stands! s (and (stands s) (not freed)))))
      (ite (open s) (open! (version! r (+ (version s) 1)) false) r)))))

; ---- transitions.rs
(define-fun free ((s Slot) (now Int)) Slot
  (turn+ (session! (begin_for (stands! (rested! s (since s)) false) (next_ticket s) Busy now) false) 1))
(define-fun take_free ((s Slot) (t Slot) (now Int)) Bool
  (and (not (superseded s)) (is t (ite (= (phase s) Idle) (free s now) s))))
(define-fun take_standing ((s Slot) (t Slot) (now Int)) Bool
  (and (not (superseded s)) (is t (ite (and (= (phase s) Idle) (handle s)) (stands! (free s now) true) s))))

; At the end of its priority, with the next ticket.
(define-fun joined ((s Slot) (of Int) (by Bool)) Slot
  (let ((k (ite (= of 0) (high s) (ite (= of 1) (+ (high s) (first s)) (len s)))) (n (next_ticket s)))
    (post_waiting (lane+ (queue! (last! s n) (with (queue s) k (waiter n false by))) of 1))))
(define-fun join ((s Slot) (t Slot) (of Int) (by Bool)) Bool
  (and (<= 0 of 2) (not (= (phase s) Idle)) (not (departed s)) (is t (joined s of by))))
; `limit` is -1 for a call that does not wait.
(define-fun enter ((s Slot) (t Slot) (of Int) (limit Int) (by Bool) (now Int)) Bool
  (and (<= 0 of 2) (is_current s)
    (is t (ite (= (phase s) Idle) (caller! (free s now) by) (ite (< (len s) limit) (joined s of by) s)))))

(define-fun ungranted ((s Slot)) Slot (lane! (grant! s 0) 0))
; The grant is taken: a turn, or a vacancy if there is no session.
(define-fun taken ((s Slot)) Slot
  (ite (session s) (turn+ (session! (ungranted s) false) 1) (vacancy+ (ungranted s) 1)))
(define-fun has_grant ((s Slot) (of Int) (p Int)) Bool (and (< 0 p) (= (grant s) p) (= (lane s) of)))
(define-fun found ((s Slot) (k Int) (of Int) (p Int)) Bool
  (or (is_at s k of p) (and (= k (- 1)) (absent s of p))))
(define-fun woken_by ((s Slot) (k Int)) Slot
  (queue! s (store (queue s) k (waiter (ticket (select (queue s) k)) true (called (select (queue s) k))))))
(define-fun look ((s Slot) (t Slot) (of Int) (p Int) (offered Bool) (k Int)) Bool
  (and (found s k of p)
    (is t (ite (has_grant s of p) (taken s) (ite (and (<= 0 k) offered) (woken_by s k) s)))))

(define-fun grant_next ((s Slot) (p Phase) (at Int) (now Int)) Slot
  (let ((w (select (queue s) 0)) (of (lane_at s 0)))
    (begin_for (passed! (rested! (caller! (stands! (lane! (grant! (remove s 0) (ticket w)) of) false) (called w)) at)
      (store (passed s) of (ticket w))) (ticket w) p now)))
(define-fun pass ((s Slot) (at Int) (now Int)) Slot
  (ite (< 0 (len s)) (grant_next s Busy at now) (caller! (begin s Idle at) false)))
(define-fun left ((s Slot) (k Int)) Slot (post_waiting (remove s k)))
(define-fun leave ((s Slot) (t Slot) (of Int) (p Int) (now Int) (k Int)) Bool
  (and (found s k of p)
    (is t (ite (<= 0 k) (left s k)
      (ite (has_grant s of p) (ite (session s) (pass (ungranted s) (rested s) now) (taken s)) s)))))
(define-fun revoke ((s Slot) (t Slot)) Bool
  (and (= (len s) 0) (let ((r (caller! (ungranted s) false)))
    (is t (ite (= (grant s) 0) s (ite (session s) (begin r Idle (rested s)) (vacancy+ r 1)))))))
(define-fun cleared ((s Slot)) Slot (ite (< 0 (len s)) (post_waiting (emptied s)) s))
(define-fun send_away ((s Slot) (t Slot)) Bool (is t (cleared s)))
(define-fun dismiss_queue ((s Slot) (t Slot)) Bool
  (is t (ite (< (high s) (len s)) (post_waiting (normal! (first! s 0) 0)) s)))

(define-fun back ((s Slot)) Slot (turn+ (session! s true) (- 1)))
(define-fun end_turn ((s Slot) (t Slot) (now Int)) Bool
  (and (< 0 (turns s)) (is t (ite (superseded s) s (pass (back s) now now)))))
(define-fun put_back ((s Slot) (t Slot) (now Int)) Bool
  (and (< 0 (turns s)) (is t (ite (superseded s) s (pass (back s) (rested s) now)))))

; The end of a guard without its session. A closing's session has gone by then, or is gone with this.
(define-fun released ((s Slot)) Slot
  (ite (< 0 (closings s)) (gone+ (closing+ s (- 1)) 1)
    (ite (< 0 (turns s)) (gone+ (turn+ s (- 1)) 1) (vacancy+ s (- 1)))))
(define-fun hand_on ((s Slot) (t Slot) (n Int) (now Int)) Bool
  (and (not (superseded s)) (< 0 (+ (vacancies s) (closings s))) (< 0 (len s)) (renews s n)
    (is t (handle! (grant_next (numbered (released s) n) Starting now now) false))))
(define-fun begin_close ((s Slot) (t Slot) (now Int)) Bool
  (and (< 0 (turns s)) (is t (closing+ (turn+ (begin s Closing now) (- 1)) 1))))
; `n` is 0 for a holder whose slot the map does not have any more.
(define-fun begin_start ((s Slot) (t Slot) (n Int) (now Int)) Bool
  (and (< 0 (closings s)) (or (= n 0) (and (not (superseded s)) (renews s n)))
    (is t (handle! (begin (ite (= n 0) (vacancy+ (released s) 1) (vacancy+ (numbered (released s) n) 1)) Starting now) false))))
(define-fun renumber ((s Slot) (t Slot) (n Int)) Bool
  (and (< 0 (vacancies s)) (is t (ite (< (number s) n) (numbered s n) s))))
(define-fun fill ((s Slot) (t Slot) (now Int)) Bool
  (and (< 0 (vacancies s)) (is t (born+ (turn+ (vacancy+ (begin s Busy now) (- 1)) 1) 1))))

(define-fun without_handles ((s Slot)) Slot (caller! (handle! s false) false))
(define-fun retire ((s Slot) (t Slot)) Bool
  (and (not (superseded s)) (< 0 (+ (vacancies s) (closings s))) (= (len s) 0)
    (is t (without_handles (change (departed! (superseded! (released s) true) true))))))
(define-fun supersede ((s Slot) (t Slot)) Bool
  (and (is_current s)
    (let ((holds (and (not (= (phase s) Idle)) (= (grant s) 0))))
      (is t (session! (gone+ (post_waiting (departed! (superseded! (handle! (caller! (ungranted (emptied s))
        (and (caller s) (= (grant s) 0))) (and (handle s) holds)) true) (not holds))) (count (session s))) false)))))
; What it leaves for the slot that replaces it: the queue, with a grant that was not taken back in front of its priority.
(define-fun legacy ((s Slot)) Slot
  (ite (= (grant s) 0) s
    (let ((k (ite (= (lane s) 0) 0 (ite (= (lane s) 1) (high s) (+ (high s) (first s))))))
      (passed! (lane+ (queue! s (with (queue s) k (waiter (grant s) false (caller s)))) (lane s) 1)
        (store (passed s) (lane s) (- (grant s) 1))))))
(define-fun orphan ((s Slot) (t Slot)) Bool
  (and (= (len s) 0) (= (grant s) 0)
    (let ((r (change (superseded! s true))))
      (is t (ite (= (phase s) Idle) (without_handles (gone+ (session! r false) (count (session s)))) r)))))
(define-fun depart ((s Slot) (t Slot)) Bool
  (and (< 0 (held s)) (or (superseded s) (= (turns s) 0))
    (is t (without_handles (cleared (departed! (released s) true))))))
(define-fun watch ((s Slot) (t Slot) (of Int) (p Int) (k Int)) Bool
  (and (found s k of p) (is t (ite (<= 0 k) (woken_by s k) s))))
(define-fun unwatch ((s Slot) (t Slot) (of Int) (p Int) (k Int)) Bool
  (and (found s k of p) (is t (ite (<= 0 k) (left s k) s))))
(define-fun touch ((s Slot) (t Slot) (now Int)) Bool (is t (change (touched! s (later (touched s) now)))))

; ---- claims.rs
(define-fun seal ((s Slot) (t Slot)) Bool
  (and (< 0 (turns s)) (is t (sealed! s (or (sealed s) (= (kept s) 0))))))
(define-fun keep ((s Slot) (t Slot)) Bool
  (is t (ite (and (not (superseded s)) (or (= (phase s) Idle) (= (phase s) Busy)) (not (sealed s)))
    (keepers! (kept! s (+ (kept s) 1)) (+ (keepers s) 1)) s)))
(define-fun unkeep ((s Slot) (t Slot) (n Int) (now Int)) Bool
  (let ((ours (and (not (superseded s)) (= (number s) n))) (r (keepers! (kept! s (- (kept s) 1)) (- (keepers s) 1))))
    (and (=> ours (< 0 (keepers s)))
      (is t (ite ours (ite (= (kept r) 0) (change (touched! r (later (touched s) now))) r) s)))))
(define-fun is_idle ((s Slot)) Bool (and (not (superseded s)) (= (phase s) Idle)))
; `edge`: active after it is active within the time.
(define-fun claim ((s Slot) (t Slot) (edge Int) (close Bool) (now Int)) Bool
  (let ((young (and (< edge now) (< edge (later (since s) (touched s))))) (r (free s now)))
    (is t (ite (and (is_idle s) (not young) (= (kept s) 0))
      (ite close (closing+ (turn+ (begin r Closing now) (- 1)) 1) r) s))))
(define-fun claim_if_idle ((s Slot) (t Slot) (now Int)) Bool (is t (ite (is_idle s) (free s now) s)))
(define-fun claim_at ((s Slot) (t Slot) (v Int) (now Int)) Bool
  (and (not (open s)) (is t (ite (and (= (version s) v) (= (kept s) 0) (is_idle s)) (free s now) s))))

; ---- What a holder leaves (reach.rs, hold.rs), and the mark of the list of idle sessions (lru.rs).
(define-fun swap_handle ((s Slot) (t Slot)) Bool (is t (handle! s true)))
(define-fun set_caller ((s Slot) (t Slot)) Bool (and (< 0 (held s)) (is t (caller! (stands! s false) true))))
(define-fun began_unwinding ((s Slot) (t Slot)) Bool (and (< 0 (turns s)) (is t (unwinding! s true))))
(define-fun listed ((s Slot) (t Slot)) Bool (is t (unlisted! s false)))
(define-fun look_at ((s Slot) (t Slot) (marks Bool)) Bool (is t (unlisted! s (or (unlisted s) marks))))
; A critical section that names no transition, or what lies between two of them.
(define-fun nothing ((s Slot) (t Slot)) Bool (is t s))
