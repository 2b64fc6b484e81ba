/* SPDX-License-Identifier: Apache-2.0 */
#include "jinja/children.h"

static int visit_list(const struct nodes *nodes, visit_fn visit, void *context)
{
    int err = 0;
    for (size_t i = 0; !err && i < nodes->count; i++)
        err = visit(context, nodes->list[i]);
    return err;
}

static int visit_some(struct node *const *list, size_t count, visit_fn visit, void *context)
{
    int err = 0;
    for (size_t i = 0; !err && i < count; i++)
        if (list[i]) err = visit(context, list[i]);
    return err;
}

static int visit_call(const struct node *n, visit_fn visit, void *context)
{
    const struct call *call = n->call;
    int err = n->callee ? visit(context, n->callee) : 0;
    if (err || !call) return err;
    err = visit_list(&call->items, visit, context);
    for (size_t i = 0; !err && i < call->named_count; i++)
        err = visit(context, call->named[i].value);
    struct node *const stars[] = {call->star, call->star_star};
    return err ? err : visit_some(stars, ARRAY_LEN(stars), visit, context);
}

static int visit_compare(const struct node *n, visit_fn visit, void *context)
{
    int err = visit(context, n->first);
    for (size_t i = 0; !err && i < n->operand_count; i++)
        err = visit(context, n->operands[i].node);
    return err;
}

static int visit_slice(const struct node *n, visit_fn visit, void *context)
{
    int err = visit(context, n->left_of_slice);
    return err ? err : visit_some(n->bounds, ARRAY_LEN(n->bounds), visit, context);
}

static int visit_if_else(const struct node *n, visit_fn visit, void *context)
{
    struct node *const parts[] = {n->condition, n->yes, n->no};
    return visit_some(parts, ARRAY_LEN(parts), visit, context);
}

static int visit_pair(const struct node *n, visit_fn visit, void *context)
{
    struct node *const pair[] = {n->left, n->right};
    return visit_some(pair, ARRAY_LEN(pair), visit, context);
}

int children_visit(struct node *n, visit_fn visit, void *context)
{
    switch ((enum node_type)n->type) {
    case NODE_LIST:
    case NODE_TUPLE:
    case NODE_DICT:
    case NODE_CONCAT: return visit_list(&n->items, visit, context);
    case NODE_ATTRIBUTE: return visit(context, n->left);
    case NODE_SLICE: return visit_slice(n, visit, context);
    case NODE_CALL:
    case NODE_FILTER:
    case NODE_TEST: return visit_call(n, visit, context);
    case NODE_IF_ELSE: return visit_if_else(n, visit, context);
    case NODE_COMPARE: return visit_compare(n, visit, context);
    case NODE_ITEM:
    case NODE_NOT:
    case NODE_NEGATE:
    case NODE_PLUS:
    case NODE_AND:
    case NODE_OR:
    case NODE_BINARY: return visit_pair(n, visit, context);
    default: return 0;
    }
}
