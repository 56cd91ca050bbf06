"""Pairs of targets and live objects: upstream's, and changed copies of them."""
import json, random, copy, sys, yaml, glob, os, re
TD=sys.argv[1]; PER=int(sys.argv[2])
pairs=[]
def load(p):
    return yaml.safe_load(open(p).read().replace('\t','  ')) if p.endswith('yaml') else json.load(open(p))
for f in sorted(glob.glob(TD+'/*-config.json')):
    n=os.path.basename(f)[:-12]
    pairs.append((n,load(f),load(f.replace('-config','-live')),False))
for c,l in [('smd-deploy-config','smd-deploy-live'),('smd-deploy2-config','smd-deploy2-live'),('smd-service-config','smd-service-live'),('smd-service-config','smd-service-live-with-type'),('smd-service-config-ports','smd-service-live'),('smd-service-config-2-ports','smd-service-live'),
  ('ssd-configmap-config','ssd-configmap-live'),('ssd-deploy-nested-config','ssd-deploy-nested-live'),('ssd-service-config','ssd-service-live'),('ssd-deploy-with-manual-apply-config','ssd-deploy-with-manual-apply-live'),('ssd-svc-no-label-config','ssd-svc-label-live'),('ssd-deploy-composite-key-config','ssd-deploy-composite-key-live')]:
    pairs.append((c,load(f'{TD}/{c}.yaml'),load(f'{TD}/{l}.yaml'),True))
    pairs.append((c+'-3way',load(f'{TD}/{c}.yaml'),load(f'{TD}/{l}.yaml'),False))
LA='kubectl.kubernetes.io/last-applied-configuration'
def default(o): return o.isoformat() if hasattr(o,'isoformat') else str(o)
def norm(o): return json.loads(json.dumps(o,default=default))
R=random.Random(7)
def sites(v,path=()):
    out=[]
    if isinstance(v,dict):
        for k in sorted(v):
            if path==() and k in('apiVersion','kind','status'): continue
            if path==('metadata',) and k not in('labels','annotations'): continue
            if k in (LA,'managedFields'): continue
            out.append((v,k)); out+=sites(v[k],path+(k,))
    elif isinstance(v,list):
        for i,x in enumerate(v): out+=sites(x,path+(i,))
    return out
def mutate(o):
    s=[x for x in sites(o)]
    if not s: return
    p,k=R.choice(s); v=p[k]; c=R.random()
    if c<0.35: del p[k]; return
    if isinstance(v,bool): p[k]=not v
    elif isinstance(v,int): p[k]=v+1
    elif isinstance(v,str):
        if re.fullmatch(r'\d+(m|Mi|Gi)?',v): p[k]=R.choice(['1','1000m','1Gi','1024Mi',v])
        elif k in('name','protocol','type','kind','mountPath','key','serviceName','apiVersion','apiGroup'): return
        else: p[k]=v+R.choice(['x',''])
    elif isinstance(v,list) and v and c<0.8:
        i=R.randrange(len(v)); 
        if c<0.5: v.pop(i)
        else: R.shuffle(v)
    elif isinstance(v,dict) and k in('labels','annotations','data','stringData','selector','matchLabels'): v['extra']='1'
def emit(n,t,l,ssa,agg=False):
    print(json.dumps({'name':n,'target':t,'live':l,'ssa':ssa,'aggregated':agg},default=default))
for n,t,l,ssa in pairs:
    t,l=norm(t),norm(l)
    emit(n,t,l,ssa)
    if 'clusterrole' in n: emit(n,t,l,ssa,True)
    for i in range(PER):
        a,b=copy.deepcopy(t),copy.deepcopy(l)
        for _ in range(R.randint(1,2)):
            w=R.random()
            if w<0.5: mutate(a)
            elif w<0.9: mutate(b)
            else:
                an=b.get('metadata',{}).get('annotations') or {}
                if LA in an:
                    if R.random()<0.5: del an[LA]
                    else: an[LA]=json.dumps(a)
                elif not ssa:
                    b.setdefault('metadata',{}).setdefault('annotations',{})[LA]=json.dumps(t)
        emit(f'{n}~{i}',a,b,ssa)
