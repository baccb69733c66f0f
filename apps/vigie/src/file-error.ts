import { errorCode, errorMessage } from './operator-error.js'

/** What the system says of a file or folder that cannot be used, for people who need not know its codes. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'this user may not use it'],
  ['EPERM', 'this user may not use it'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'a part of its path is a file'],
  ['EEXIST', 'there is a file of that name'],
  ['EROFS', 'its file system is read-only'],
  ['ENOSPC', 'no space is left on its file system'],
  ['EDQUOT', 'this user may not store more there'],
  ['EMFILE', 'too many files are open'],
  ['ENFILE', 'too many files are open on this machine'],
  ['ELOOP', 'its symbolic links lead in a circle'],
  ['ENAMETOOLONG', 'its path is too long'],
  ['ENOTSUP', 'its file system makes no folders'],
  ['EIO', 'its disk does not answer'],
])

/** Whether the system refused something with a file: nothing that a stack would explain. */
export function isFileError(error: unknown): boolean {
  return REASONS.has(errorCode(error))
}

/** Ends a sentence such as "… cannot be read: it is a folder". */
export function fileReason(error: unknown): string {
  return REASONS.get(errorCode(error)) ?? errorMessage(error)
}
