/**
 * @file What may be wider than its place: scrolls sideways, fades at the side where it goes on, and can be reached by keyboard
 * while there is something to scroll. Scroll bars alone do not tell: many systems hide them.
 */
import { useEffect, useLayoutEffect, useRef, useState } from '../../vendor/preact-hooks.js';
import { html } from '../base/html.js';

/** Sides that are fractions of a pixel away are reached. */
const SLACK = 2;

/** @param {{class?: string, role: string, label: string, children: unknown}} props */
export function Scroller({ class: name = '', role, label, children }) {
  const { ref, more, wide, tall, measure } = useOverflow();
  return html`<div class=${`scroller ${more.left ? 'more-left' : ''} ${more.right ? 'more-right' : ''}`}>
    <div class=${`scroller-body ${name}`} ref=${ref} role=${role} aria-label=${label} tabindex=${wide || tall ? 0 : undefined} onScroll=${measure}>
      ${children}
    </div>
  </div>`;
}

/** Where an element goes on; looked at when it scrolls, when its size changes and when it is drawn. */
function useOverflow() {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [state, setState] = useState({ left: false, right: false, tall: false });
  function measure() {
    const element = ref.current;
    if (!element) return;
    const { scrollLeft, scrollWidth, clientWidth, scrollHeight, clientHeight } = element;
    const left = scrollLeft > SLACK;
    const right = scrollWidth - clientWidth - scrollLeft > SLACK;
    const tall = scrollHeight - clientHeight > SLACK;
    setState((old) => (old.left === left && old.right === right && old.tall === tall ? old : { left, right, tall }));
  }
  useLayoutEffect(measure);
  useEffect(() => {
    if (!ref.current) return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return { ref, measure, more: { left: state.left, right: state.right }, wide: state.left || state.right, tall: state.tall };
}
