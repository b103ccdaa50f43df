/** @file Keeps a drawing error in the part it happened in: the rest of the page goes on. */
import { Component } from '../../vendor/preact.js';
import { ApiError } from '../base/api.js';
import { html } from '../base/html.js';
import { Failure } from './notice.js';

/** @augments {Component<{children?: any}, {message: string | null}>} */
export class Boundary extends Component {
  constructor() {
    super();
    this.state = { message: null };
  }

  /** @param {unknown} cause */
  static getDerivedStateFromError(cause) {
    return { message: String(cause) };
  }

  /** @param {unknown} cause */
  componentDidCatch(cause) {
    console.error(cause);
  }

  render() {
    const { message } = this.state;
    if (message === null) return this.props.children;
    const error = new ApiError('this part cannot be shown', { code: 'script', hint: `A script of the page failed: ${message}` });
    return html`<${Failure} error=${error} onRetry=${() => this.setState({ message: null })} />`;
  }
}
